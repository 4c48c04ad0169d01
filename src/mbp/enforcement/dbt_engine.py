"""dbt as enforcer: its own run of the tests that carry the rules."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mbp.building.dbt_process import run_dbt
from mbp.contracts.model import Rule
from mbp.enforcement.results import RuleResult, Verdict, complete
from mbp.errors import MbpError
from mbp.quality.findings import collect


def run(
    root: Path, rules: Sequence[Rule], target: str, changes: Mapping[str, str] | None = None
) -> list[RuleResult]:
    """`dbt test` on the target.

    Raises:
        MbpError: dbt could not run at all.
    """
    started = time.perf_counter()
    with TemporaryDirectory() as folder:
        outcome = run_dbt(
            root, ["test"], target=target, artifacts=Path(folder), changes=changes, quiet=True
        )
        if outcome.problem:
            raise MbpError(f"dbt test stopped: {outcome.problem}")
        target_folder = Path(folder) / "target"
        manifest = json.loads((target_folder / "manifest.json").read_text(encoding="utf-8"))
        results = json.loads((target_folder / "run_results.json").read_text(encoding="utf-8"))
    seconds = {
        one["unique_id"]: float(one.get("execution_time") or 0.0) for one in results["results"]
    }
    spent = time.perf_counter() - started
    wanted = {rule.id: rule for rule in rules}
    found: list[RuleResult] = []
    for finding in collect(manifest, results, list(rules)):
        if finding.rule_id not in wanted:
            continue
        verdict: Verdict = "error"
        if finding.verdict == "pass":
            verdict = "pass"
        elif finding.verdict == "fail":
            verdict = "warn" if finding.severity == "warning" else "fail"
        rows = 0 if verdict == "pass" else finding.failing_rows
        found.append(
            RuleResult(
                finding.rule_id,
                finding.dataset,
                "dbt",
                verdict,
                rows,
                seconds.get(str(finding.node), spent / len(rules)),
                reason="" if verdict == "pass" else finding.message,
            )
        )
    return complete(found, [(rule.id, rule.dataset) for rule in rules], "dbt")
