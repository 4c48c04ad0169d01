"""Measures the coverage of the last build and judges it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mbp.building.dbt_process import target_path
from mbp.contracts.policy import load_policy
from mbp.coverage.measure import FULL_PERCENT, NOT_BUILT, NOT_THERE, CoverageReport, measure
from mbp.coverage.report import worse_than
from mbp.errors import MbpError
from mbp.quality.failures import read_artifact


@dataclass(frozen=True)
class Judgement:
    """A report, the threshold it was held to, and what speaks against it, one line each."""

    report: CoverageReport
    threshold_percent: float
    objections: tuple[str, ...]


def measure_project(root: Path, artifacts: Path | None = None) -> CoverageReport:
    """Coverage from the artifacts of the last `dbt docs generate`.

    Args:
        artifacts: folder of manifest.json and catalog.json; dbt's target folder without it.

    Raises:
        MbpError: an artifact is missing or unreadable, or there is nothing to look at.
    """
    folder = artifacts or target_path(root)
    return measure(
        read_artifact(folder, "manifest.json", root), read_artifact(folder, "catalog.json", root)
    )


def judge(
    root: Path,
    report: CoverageReport,
    fail_under: float | None = None,
    compare: Path | None = None,
) -> Judgement:
    """Holds a report to the policy's threshold (or `fail_under`) and to an earlier report.

    Raises:
        MbpError: the policy or the earlier report cannot be read, or the threshold is no percentage.
    """
    threshold = load_policy(root).documentation_percent if fail_under is None else fail_under
    if not 0 <= threshold <= FULL_PERCENT:  # also refuses nan, under which nothing would ever fail
        raise MbpError(
            f"threshold {threshold:g} is no percentage", cure="give a number from 0 to 100"
        )
    objections = []
    if report.count.percent < threshold:
        objections.append(f"coverage is {report.count.shown_percent} %, demanded {threshold:g} %")
    for state, cure in (
        (NOT_THERE, "remove the description or add the column"),
        (NOT_BUILT, "build it, or remove it"),
    ):
        found = len(report.of(state))
        if found:
            objections.append(f"{found} {state}: {cure}")
    if compare is not None:
        objections += worse_than(report, compare)
    return Judgement(report, threshold, tuple(objections))
