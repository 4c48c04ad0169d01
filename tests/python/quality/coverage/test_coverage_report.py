"""The forms of a report: text, JSON, and the comparison with an earlier one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from coverage_artifacts import GOOD, artifacts, measured, node

from mbp.core.errors import MbpError
from mbp.quality.coverage.coverage_measure import DESCRIBED, MISSING, Count, CoverageReport, Item
from mbp.quality.coverage.documentation_coverage import (
    SHOWN_AT_MOST,
    as_document,
    as_text,
    measure_project,
    worse_than,
)


def report_of(described: int, missing: int) -> CoverageReport:
    """A report with so many items in either state."""
    states = [DESCRIBED] * described + [MISSING] * missing
    return CoverageReport(
        tuple(Item("model.mbp.q", f"c{n:05}", state, "m", "") for n, state in enumerate(states))
    )


@pytest.fixture
def report() -> CoverageReport:
    """Two of three described, one described but not there, one relation not built."""
    return measured(
        {
            "model.mbp.q": node("q", {"price": GOOD, "gone": GOOD}, access="public"),
            "model.mbp.r": node("r", {}),
        },
        {"model.mbp.q": ["price", "depth"]},
    )


def test_text_tells_the_numbers_and_what_is_wrong(report: CoverageReport) -> None:
    lines = as_text(report).splitlines()
    table = {line.rsplit(maxsplit=4)[0]: line.split()[-4:] for line in lines[1:4]}
    expected = ["2", "1", "1", "66.6%"]
    assert table == {"folder models/marts": expected, "dataset q": expected, "all": expected}
    assert lines[4:] == [
        "missing: model.mbp.q.depth",
        "documented but not there: model.mbp.q.gone",
        "not in the warehouse: model.mbp.r",
    ]
    assert len({len(line) for line in lines[:4]}) == 1, "the columns of the table are not aligned"


def test_a_long_folder_does_not_break_the_table() -> None:
    path = f"models/{'very_' * 20}long/x.sql"
    text = as_text(
        measured({"model.mbp.q": node("q", {}, original_file_path=path)}, {"model.mbp.q": []})
    )
    assert len({len(line) for line in text.splitlines()}) == 1


def test_a_long_list_is_cut_and_says_so() -> None:
    lines = as_text(report_of(1, SHOWN_AT_MOST + 7)).splitlines()
    assert sum(line.startswith("missing: model") for line in lines) == SHOWN_AT_MOST
    assert lines[-1] == "missing: and 7 more, see --format json"


def test_the_document_has_all_of_it(report: CoverageReport) -> None:
    numbers = {"described": 2, "missing": 1, "not_there": 1, "total": 3, "percent": 66.6667}
    document = as_document(report)
    assert document.pop("items") == [
        {"unique_id": "model.mbp.q", "column": None, "state": "described"},
        {"unique_id": "model.mbp.q", "column": "depth", "state": "missing"},
        {"unique_id": "model.mbp.q", "column": "gone", "state": "documented but not there"},
        {"unique_id": "model.mbp.q", "column": "price", "state": "described"},
        {"unique_id": "model.mbp.r", "column": None, "state": "not in the warehouse"},
    ]
    assert document == {
        "version": 1,
        **numbers,
        "not_in_warehouse": 1,
        "folders": {
            "models/marts": numbers,
        },
        "datasets": {"q": numbers},
    }


@pytest.mark.parametrize(
    ("described", "missing", "shown"),
    [
        (0, 0, "0.0"),
        (0, 5, "0.0"),
        (9496, 504, "94.9"),
        (19, 1, "95.0"),
        (9999, 1, "99.9"),
        (7, 0, "100.0"),
    ],
)
def test_a_percentage_is_cut_not_rounded_up(described: int, missing: int, shown: str) -> None:
    assert Count(described, missing, 0).shown_percent == shown


def earlier(folder: Path, document: Any) -> Path:
    path = folder / "earlier.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_the_same_and_a_better_report_are_not_worse(tmp_path: Path) -> None:
    path = earlier(tmp_path, as_document(report_of(5, 5)))
    assert worse_than(report_of(5, 5), path) == []
    assert worse_than(report_of(6, 4), path) == []


def test_a_lost_description_is_named_even_when_the_percentage_holds(tmp_path: Path) -> None:
    items = [{"unique_id": "model.mbp.q", "column": "c00005", "state": DESCRIBED}]
    path = earlier(tmp_path, {"version": 1, "percent": 50.0, "items": items})
    assert worse_than(report_of(5, 5), path) == ["no longer described: model.mbp.q.c00005"]


def test_a_lost_description_of_a_relation_is_named_without_a_dot(tmp_path: Path) -> None:
    there = {"model.mbp.q": ["price"]}
    path = earlier(tmp_path, as_document(measured({"model.mbp.q": node("q", {})}, there)))
    now = measured({"model.mbp.q": node("q", {"price": GOOD}, description="TODO")}, there)
    assert worse_than(now, path) == ["no longer described: model.mbp.q"]


def test_a_lower_percentage_is_told_with_both_numbers(tmp_path: Path) -> None:
    path = earlier(tmp_path, as_document(report_of(2, 0)))
    assert worse_than(report_of(2, 1), path) == ["coverage fell from 100 % to 66.6667 %"]


GOOD_ITEM = {"unique_id": "model.mbp.q", "column": None, "state": "described"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "null",
        "[1, 2",
        {"version": 1, "items": []},
        {"version": 1, "percent": 50},
        {"version": 1, "percent": None, "items": []},
        {"version": 1, "percent": "much", "items": []},
        {"version": 1, "percent": 101, "items": []},
        {"version": 1, "percent": -1, "items": []},
        '{"version": 1, "percent": NaN, "items": []}',
        {"version": 1, "percent": 50, "items": 5},
        {"version": 1, "percent": 50, "items": [5]},
        {"version": 1, "percent": 50, "items": [{**GOOD_ITEM, "unique_id": []}]},
        {"version": 1, "percent": 50, "items": [{"state": "described"}]},
    ],
    ids=str,
)
def test_an_unreadable_earlier_report_is_an_error(tmp_path: Path, content: Any) -> None:
    with pytest.raises(MbpError, match=r"earlier\.json: not a coverage report.*--format json"):
        worse_than(report_of(1, 1), earlier(tmp_path, content))


def test_an_absent_or_binary_earlier_report_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MbpError, match="not a coverage report"):
        worse_than(report_of(1, 1), tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MbpError, match="not a coverage report"):
        worse_than(report_of(1, 1), tmp_path / "binary.json")


def test_another_version_of_the_format_is_an_error(tmp_path: Path) -> None:
    path = earlier(tmp_path, {"version": 9, "percent": 1, "items": []})
    with pytest.raises(MbpError, match="of version 9, expected 1"):
        worse_than(report_of(1, 1), path)


@pytest.mark.parametrize(
    ("command", "ran", "is_stale"),
    [("build", "12:00:01", True), ("build", "11:59:59", False), ("test", "12:00:01", False)],
)
def test_a_catalog_from_before_the_last_build_is_refused(
    tmp_path: Path, command: str, ran: str, is_stale: bool
) -> None:
    manifest, catalog = artifacts({"model.mbp.q": node("q", {})}, {"model.mbp.q": []})
    catalog["metadata"]["generated_at"] = "2026-01-05T12:00:00Z"
    run_results = {
        "metadata": {"generated_at": f"2026-01-05T{ran}Z"},
        "args": {"which": command},
        "results": [],
    }
    parts = {"manifest": manifest, "catalog": catalog, "run_results": run_results}
    for name, part in parts.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(part), encoding="utf-8")
    if is_stale:
        with pytest.raises(MbpError, match=r"older than the last `dbt build`.*docs generate"):
            measure_project(tmp_path, tmp_path)
    else:
        assert measure_project(tmp_path, tmp_path).count.described == 1
