"""The coverage of the last build: measured, judged, compared with an earlier report, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.contracts.policy import load_policy
from mbp.core.errors import MbpError
from mbp.quality.coverage.coverage_measure import (
    DESCRIBED,
    FULL_PERCENT,
    MISSING,
    NOT_BUILT,
    NOT_THERE,
    Count,
    CoverageReport,
    measure_coverage,
)
from mbp.runs.artifacts import moment_of, read_artifact
from mbp.runs.dbt_process import target_path

RUN_RESULTS = "run_results.json"
BUILDING = ("build", "run", "seed", "snapshot")
FORMAT_VERSION = 1
SHOWN_AT_MOST = 30


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
    threshold = (
        load_policy(root).documentation.threshold_percent if fail_under is None else fail_under
    )
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


def as_text(report: CoverageReport) -> str:
    """A table per folder and per public dataset, then what is wrong, one line each."""
    rows = [
        (f"{title} {name}", count)
        for title, counts in (("folder", report.by("folder")), ("dataset", report.by("dataset")))
        for name, count in counts.items()
    ]
    rows.append(("all", report.count))
    width = max(len(name) for name, _ in rows)
    lines = [f"{'':{width}} {'described':>9} {'missing':>8} {'not there':>9} {'percent':>8}"]
    lines += [_line(f"{name:{width}}", count) for name, count in rows]
    for state in (MISSING, NOT_THERE, NOT_BUILT):
        items = report.of(state)
        for item in items[:SHOWN_AT_MOST]:
            place = f"{item.unique_id}.{item.column}" if item.column else item.unique_id
            lines.append(f"{state}: {place}")
        if len(items) > SHOWN_AT_MOST:
            lines.append(f"{state}: and {len(items) - SHOWN_AT_MOST} more, see --format json")
    return "\n".join(lines)


def as_document(report: CoverageReport) -> dict[str, Any]:
    """The JSON form; its keys never change their meaning within a version."""
    return {
        "version": FORMAT_VERSION,
        **_numbers(report.count),
        "not_in_warehouse": len(report.of(NOT_BUILT)),
        "folders": {name: _numbers(count) for name, count in report.by("folder").items()},
        "datasets": {name: _numbers(count) for name, count in report.by("dataset").items()},
        "items": [
            {"unique_id": item.unique_id, "column": item.column or None, "state": item.state}
            for item in report.items
        ],
    }


def worse_than(report: CoverageReport, earlier: Path) -> list[str]:
    """What got worse since an earlier JSON report, one line each.

    Raises:
        MbpError: the earlier report cannot be read or is of another version.
    """
    try:
        document = json.loads(earlier.read_text(encoding="utf-8"))
        version = document["version"]
        if version != FORMAT_VERSION:
            raise MbpError(
                f"coverage report of version {version}, expected {FORMAT_VERSION}",
                path=earlier,
                fix="write it again",
            )
        percent = float(document["percent"])
        if not 0 <= percent <= FULL_PERCENT:
            raise ValueError(f"percent is {percent}")
        before = {
            (item["unique_id"], item["column"] or "")
            for item in document["items"]
            if item["state"] == DESCRIBED
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MbpError(
            "not a coverage report",
            path=earlier,
            fix="write one with `mbp docs coverage --format json`",
        ) from error
    lines = [
        f"no longer described: {item.unique_id}{'.' if item.column else ''}{item.column}"
        for item in report.of(MISSING)
        if (item.unique_id, item.column) in before
    ]
    now = round(report.count.percent, 4)
    if now < round(percent, 4):
        lines.append(f"coverage fell from {percent:g} % to {now:g} %")
    return lines


def _line(name: str, count: Count) -> str:
    numbers = f"{count.described:9} {count.missing:8} {count.not_there:9}"
    return f"{name} {numbers} {count.shown_percent:>7}%"


def _numbers(count: Count) -> dict[str, Any]:
    return {
        "described": count.described,
        "missing": count.missing,
        "not_there": count.not_there,
        "total": count.total,
        "percent": round(count.percent, 4),
    }
