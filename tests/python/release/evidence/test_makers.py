"""Members that come out of a warehouse: the same rows give the same bytes on both engines."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.release.evidence import makers
from mbp.release.evidence.makers import Members, Work, as_csv, files_below, relation
from mbp.release.gate.gate_report import GateReport
from tests.python.built import Built
from tests.python.release.evidence.packs import Release, check


def made(built: Built, target: str, maker: str, report: GateReport) -> Members:
    with built.open(target) as warehouse:
        return makers.MAKERS[maker](Work(built.root, report, "# go", warehouse))


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.mark.postgres
@pytest.mark.parametrize("maker", ["slow_traces", "kpi_charts", "watcher_evaluations"])
def test_both_engines_give_the_same(maker: str, built: Built, go: Release) -> None:
    found = {target: made(built, target, maker, go.report) for target in ("duckdb", "postgres")}
    assert found["duckdb"] == found["postgres"]
    assert found["duckdb"]


@pytest.mark.postgres
def test_every_window_is_the_same_on_both_engines(built: Built) -> None:
    told = []
    for target in ("duckdb", "postgres"):
        with built.open(target) as warehouse:
            told.append(relation(warehouse, "reliability.kpi_windows"))
    assert told[0] == told[1]
    assert len(rows(told[0])) > 1000


def test_every_percentile_has_its_traces(built: Built, go: Release) -> None:
    content = made(built, "duckdb", "slow_traces", go.report)["traces/slowest_decisions.csv"]
    found = rows(content)
    with built.open("duckdb") as warehouse:
        _, windows = warehouse.query(
            "select count(*) from reliability.kpi_decision_latency where decisions > 0"
        )
    assert len({one["window_start"] for one in found}) == windows[0][0]
    assert all(int(one["duration_nanoseconds"]) >= float(one["p95_ms"]) * 1e6 - 1 for one in found)
    assert set(found[0]) == {
        *("window_start", "window_end", "p95_ms", "trace_id", "span_id"),
        *("duration_nanoseconds", "http_status_code"),
    }


def test_there_is_a_picture_of_every_kpi(built: Built, go: Release) -> None:
    found = made(built, "duckdb", "kpi_charts", go.report)
    with built.open("duckdb") as warehouse:
        _, kpis = warehouse.query("select kpi_id from staging.stg_reference__measurement_sheet")
    assert set(found) == {f"kpis/{one[0]}.svg" for one in kpis}
    assert all(content.startswith(b"<svg") for content in found.values())


def test_no_recorded_run_gives_nothing(built: Built, go: Release) -> None:
    assert made(built, "duckdb", "quality_results", go.report) == {}


def test_what_a_check_names_is_taken_in(built: Built, go: Release) -> None:
    named = ["reliability.kpi_clock", "contracts/a89", "docs/hooks.md"]
    report = replace(go.report, results=(check("x", evidence=named),))
    found = made(built, "duckdb", "named_by_checks", report)
    assert set(found) == {
        "relations/reliability.kpi_clock.csv",
        "contracts/a89/policy.yaml",
        "docs/hooks.md",
    }
    missing = replace(go.report, results=(check("x", evidence=["docs/nothing.md"]),))
    with pytest.raises(MbpError, match="check x rests on it"):
        made(built, "duckdb", "named_by_checks", missing)
    failed = replace(missing, results=(check("x", verdict="fail", evidence=["docs/nothing.md"]),))
    assert made(built, "duckdb", "named_by_checks", failed) == {}


def test_registry_status_and_diffs_follow_from_the_contracts(built: Built, go: Release) -> None:
    for maker in ("contract_status", "registry_heads", "contract_diffs", "state"):
        first, second = (made(built, "duckdb", maker, go.report) for _ in range(2))
        assert first == second
        assert all(content.strip() not in (b"", b"[]", b"{}") for content in first.values())


def test_a_relation_that_is_not_there(built: Built) -> None:
    with (
        built.open("duckdb") as warehouse,
        pytest.raises(MbpError, match=r"reliability\.nothing cannot be read"),
    ):
        relation(warehouse, "reliability.nothing")


def test_rows_are_sorted_and_nothing_is_lost() -> None:
    content = as_csv(["a", "b"], [(2, None), (1, 'x,"y"\nz')])
    assert content == b'a,b\n1,"x,""y""\nz"\n2,\n'


def test_a_link_is_no_member(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "outside").write_text("x")
    (tmp_path / "project/link").symlink_to(tmp_path / "outside")
    for place in ("link", "../outside"):
        with pytest.raises(MbpError, match="outside of the project"):
            list(files_below(tmp_path / "project", place))
