"""A coverage report as text, as JSON, and against an earlier one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.quality.coverage.coverage_measure import (
    DESCRIBED,
    FULL_PERCENT,
    MISSING,
    NOT_BUILT,
    NOT_THERE,
    Count,
    CoverageReport,
)

FORMAT_VERSION = 1
SHOWN_AT_MOST = 30


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
