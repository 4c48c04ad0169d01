"""The rules after a slim build: those that it did not run keep their state on main."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mbp.contracts import all_rules, load_contracts
from mbp.core.verdict import Verdict
from mbp.quality import failures
from mbp.quality.failures import Failures, look_at_last_run
from mbp.quality.rule_findings import collect
from mbp.release.ci.step_reports import MANIFEST, RUN_RESULTS, Unseen, base_problem, read_manifest
from mbp.runs.artifacts import SELECTING, read_artifact
from mbp.runs.dbt_process import target_path

# What scripts/ci/build.sh selects for a slim build.
MODIFIED = "state:modified+"


@dataclass(frozen=True)
class RulesAfterBuild:
    """What the last run found, and the rules that hold because nothing under them changed."""

    failures: Failures
    carried_over: tuple[str, ...]

    @property
    def broken(self) -> bool:
        """An error rule does not hold. A warning reports; it does not block."""
        return any(finding.verdict == Verdict.FAIL for finding, _ in self.failures.findings)

    @property
    def blind(self) -> bool:
        """Something was not checked, or the results do not count."""
        return bool(self.failures.notes) or any(
            not finding.holds and not finding.is_broken for finding, _ in self.failures.findings
        )

    def document(self) -> dict[str, Any]:
        """As JSON: that of `mbp quality failures`, and the rules that were carried over."""
        results = failures.as_json(
            self.failures.findings, self.failures.passed, self.failures.notes, self.failures.partial
        )
        return {**results, "carried_over": list(self.carried_over)}


def look(root: Path, base_folder: Path | None, base: str, limit: int) -> RulesAfterBuild:
    """The rules of the last run.

    Args:
        base_folder: the stored build of main; nothing is carried over without one of the right commit.
        limit: most rows shown of one finding.

    Raises:
        MbpError: there is no run to read.
    """
    failures = look_at_last_run(root, limit=limit)
    if failures.partial and not _slim(root, base_folder, base):
        failures = replace(failures, notes=[*failures.notes, *failures.partial])
    left = [finding.rule_id for finding, _ in failures.findings if finding.is_not_run]
    holding = _holding_on_main(root, base_folder, base) if left else set()
    carried = tuple(sorted(set(left) & holding))
    kept = [pair for pair in failures.findings if pair[0].rule_id not in carried]
    return RulesAfterBuild(replace(failures, findings=kept), carried)


def _slim(root: Path, base_folder: Path | None, base: str) -> bool:
    """The run left out what did not change since a stored build of main, and nothing else.

    Raises:
        MbpError: there are no results.
    """
    if base_folder is None or base_problem(base_folder, base) is not None:
        return False
    arguments = read_artifact(target_path(root), RUN_RESULTS, root).get("args") or {}
    others = [name for name in SELECTING if name != "select" and arguments.get(name)]
    return arguments.get("select") == [MODIFIED] and not others


def _holding_on_main(root: Path, base_folder: Path | None, base: str) -> set[str]:
    if base_folder is None or base_problem(base_folder, base) is not None:
        return set()
    artifacts: Sequence[dict[str, Any] | Unseen] = [
        read_manifest(base_folder, base, name) for name in (MANIFEST, RUN_RESULTS)
    ]
    manifest, results = artifacts
    if isinstance(manifest, Unseen) or isinstance(results, Unseen):
        return set()
    for group in ("nodes", "unit_tests"):
        for unique_id, node in manifest.get(group, {}).items():
            node.setdefault("unique_id", unique_id)
    verdicts = collect(manifest, results, all_rules(load_contracts(root)))
    return {finding.rule_id for finding in verdicts if finding.holds}
