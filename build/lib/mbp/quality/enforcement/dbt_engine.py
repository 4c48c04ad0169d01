"""dbt as an engine: its own run of the tests that carry the rules."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mbp.contracts.model import Rule
from mbp.core.errors import MbpError
from mbp.core.verdict import Verdict
from mbp.quality.enforcement.results import RuleResult, complete
from mbp.quality.rule_findings import RuleVerdict, collect
from mbp.runs.dbt_process import run_dbt


def run(
    root: Path, rules: Sequence[Rule], target: str, changes: Mapping[str, str] | None = None
) -> list[RuleResult]:
    """`dbt test` on the target.

    Raises:
        MbpError: dbt could not run at all.
    """
    with TemporaryDirectory() as folder:
        outcome = run_dbt(
            root, ["test"], target=target, artifacts=Path(folder), changes=changes, quiet=True
        )
        if outcome.problem:
            raise MbpError(
                f"dbt test stopped: {outcome.problem}",
                fix="make `dbt test` pass first; `mbp doctor` checks the machine",
            )
        target_folder = Path(folder) / "target"
        manifest = json.loads((target_folder / "manifest.json").read_text(encoding="utf-8"))
        results = json.loads((target_folder / "run_results.json").read_text(encoding="utf-8"))
    wanted = {rule.id for rule in rules}
    findings = [
        rule_verdict
        for rule_verdict in collect(manifest, results, list(rules))
        if rule_verdict.rule_id in wanted
    ]
    rule_results = as_results(findings, results)
    return complete(rule_results, [(rule.id, rule.dataset) for rule in rules], "dbt")


def as_results(findings: Sequence[RuleVerdict], run_results: Mapping[str, Any]) -> list[RuleResult]:
    """What a run of dbt found, in the words of all engines; what was not judged is an error."""
    seconds = {
        result["unique_id"]: float(result.get("execution_time") or 0.0)
        for result in run_results["results"]
    }
    rule_results: list[RuleResult] = []
    for finding in findings:
        # Only a source without the facts excuses a rule; one that merely did not run is an error.
        skipped = finding.verdict == Verdict.NOT_MEASURED and not finding.is_unmeasured
        verdict = Verdict.ERROR if skipped else finding.verdict
        rows = 0 if finding.holds else finding.failing_rows
        reason = "" if finding.holds else finding.message
        taken = seconds.get(str(finding.node), 0.0)
        rule_results.append(
            RuleResult(finding.rule_id, finding.dataset, "dbt", verdict, rows, taken, reason=reason)
        )
    return rule_results
