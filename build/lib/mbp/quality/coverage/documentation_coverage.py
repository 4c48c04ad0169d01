"""Measures the coverage of the last build and judges it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.contracts.policy import load_policy
from mbp.core.errors import MbpError
from mbp.quality.coverage.coverage_measure import (
    FULL_PERCENT,
    NOT_BUILT,
    NOT_THERE,
    CoverageReport,
    measure_coverage,
)
from mbp.quality.coverage.coverage_report import worse_than
from mbp.runs.artifacts import moment_of, read_artifact
from mbp.runs.dbt_process import target_path

RUN_RESULTS = "run_results.json"
BUILDING = ("build", "run", "seed", "snapshot")


@dataclass(frozen=True)
class CoverageJudgement:
    """A report, the threshold it was held to, and what speaks against it, one line each."""

    report: CoverageReport
    threshold_percent: float
    objections: tuple[str, ...]


def measure_project(root: Path, artifacts: Path | None = None) -> CoverageReport:
    """Coverage from the artifacts of the last `dbt docs generate`.

    Args:
        artifacts: folder of manifest.json and catalog.json; dbt's target folder without it.

    Raises:
        MbpError: an artifact is missing or unreadable, there is nothing to check, or relations
            were built after the catalog was taken.
    """
    folder = artifacts or target_path(root)
    catalog = read_artifact(folder, "catalog.json", root)
    if (folder / RUN_RESULTS).is_file():
        _demand_newer(catalog, read_artifact(folder, RUN_RESULTS, root))
    return measure_coverage(read_artifact(folder, "manifest.json", root), catalog)


def _demand_newer(catalog: Mapping[str, Any], run_results: Mapping[str, Any]) -> None:
    """A catalog from before the last build lists columns that may no longer exist."""
    command = (run_results.get("args") or {}).get("which")
    built_at = moment_of(run_results, "generated_at", RUN_RESULTS)
    if command in BUILDING and built_at > moment_of(catalog, "generated_at", "catalog.json"):
        raise MbpError(
            f"catalog.json is older than the last `dbt {command}`", fix="run `dbt docs generate`"
        )


def judge(
    root: Path,
    report: CoverageReport,
    fail_under: float | None = None,
    compare: Path | None = None,
) -> CoverageJudgement:
    """Holds a report to the policy's threshold (or `fail_under`) and to an earlier report.

    Raises:
        MbpError: the policy or the earlier report cannot be read, or the threshold is no percentage.
    """
    threshold = load_policy(root).documentation_percent if fail_under is None else fail_under
    if not 0 <= threshold <= FULL_PERCENT:  # also refuses nan, under which nothing would ever fail
        raise MbpError(
            f"threshold {threshold:g} is no percentage", fix="give a number from 0 to 100"
        )
    objections = []
    if report.count.percent < threshold:
        objections.append(f"coverage is {report.count.shown_percent} %, demanded {threshold:g} %")
    for state, fix in (
        (NOT_THERE, "remove the description or add the column"),
        (NOT_BUILT, "build it, or remove it"),
    ):
        count = len(report.of(state))
        if count:
            objections.append(f"{count} {state}: {fix}")
    if compare is not None:
        objections += worse_than(report, compare)
    return CoverageJudgement(report, threshold, tuple(objections))
