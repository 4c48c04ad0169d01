"""The change log of loaded data: newest wins, old files change nothing, and there is a way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.ingest.loading.load_sources import LoadReport, load_folder
from mbp.ingest.loading.loads import list_loads, undo
from mbp.ingest.loading.source_facts import dataset_tables, read_facts
from mbp.warehouse import connect

HEADER = "id,question,opens,closes,state,changed\n"
OPEN = "m1,Rain?,2026-01-05 08:00,2026-01-06 08:00,open,2026-01-05 08:00\n"
CLOSED = "m1,Rain?,2026-01-05 08:00,2026-01-06 08:00,closed,2026-01-06 08:00\n"
RESOLVED = "m1,Rain?,2026-01-05 08:00,2026-01-06 08:00,resolved,2026-01-07 08:00\n"


@pytest.fixture
def markets(folder: Path) -> Path:
    """The folder with a mapping that knows when a market last changed, and its state."""
    mapping = folder / "mapping.yaml"
    text = mapping.read_text()
    text = text.replace("changed_at: opened_at", "changed_at: updated_at", 1)
    text = text.replace(
        "closes_at: closes}", "closes_at: closes, status: state, updated_at: changed}"
    )
    text = text.replace(", status: open}", "}")
    text = text.replace("      updated_at: {column: opens, reason: not told}\n", "")
    mapping.write_text(text)
    return folder


def load(root: Path, folder: Path, target: str, rows: str) -> LoadReport:
    (folder / "markets.csv").write_text(HEADER + rows)
    return load_folder(root, folder, folder / "mapping.yaml", target=target)


def counts(report: LoadReport) -> tuple[int, int, int, int]:
    """Loaded, unchanged, superseded and rejected markets."""
    table = report.tables[0]
    return table.loaded, table.unchanged, table.superseded, table.staged.rejected


def log(root: Path, target: str) -> list[tuple[str, str]]:
    """Operation and status of each version of the market, in the order of the log."""
    with connect(root, target) as warehouse:
        _, rows = warehouse.query(
            "select __op, status from raw_mbp.markets where market_id = 'm1' order by __source_lsn"
        )
    return [(operation, status) for operation, status in rows]


def test_versions_in_one_file_are_a_history_whose_newest_counts(
    project_root: Path, markets: Path, target: str
) -> None:
    report = load(project_root, markets, target, CLOSED + OPEN + CLOSED)
    assert counts(report) == (2, 1, 0, 0)  # one row stands there twice
    assert log(project_root, target) == [("r", "open"), ("u", "closed")]


def test_two_contents_at_one_instant_contradict_each_other(
    project_root: Path, markets: Path, target: str
) -> None:
    report = load(project_root, markets, target, OPEN + OPEN.replace("Rain?", "Snow?"))
    assert counts(report) == (1, 0, 0, 1)


def test_a_file_of_an_earlier_day_changes_nothing(
    project_root: Path, markets: Path, target: str
) -> None:
    assert counts(load(project_root, markets, target, OPEN)) == (1, 0, 0, 0)
    assert counts(load(project_root, markets, target, CLOSED)) == (1, 0, 0, 0)
    assert counts(load(project_root, markets, target, OPEN)) == (0, 0, 1, 0)
    assert log(project_root, target) == [("r", "open"), ("u", "closed")]


def test_a_version_that_arrives_after_a_newer_one_is_superseded(
    project_root: Path, markets: Path, target: str
) -> None:
    load(project_root, markets, target, RESOLVED)
    assert counts(load(project_root, markets, target, CLOSED)) == (0, 0, 1, 0)
    assert log(project_root, target) == [("r", "resolved")]


def test_a_correction_may_move_the_instant_back_where_the_mapping_says_so(
    project_root: Path, markets: Path, target: str
) -> None:
    mapping = markets / "mapping.yaml"
    text = mapping.read_text()
    mapping.write_text(
        text.replace("file: markets.csv\n", "file: markets.csv\n    corrections: true\n")
    )
    load(project_root, markets, target, RESOLVED)
    corrected = RESOLVED.replace("2026-01-07 08:00", "2026-01-06 20:00")
    assert counts(load(project_root, markets, target, corrected)) == (1, 0, 0, 0)
    with connect(project_root, target) as warehouse:
        _, rows = warehouse.query(
            "select __source_ts_ms from raw_mbp.markets order by __source_lsn"
        )
    assert rows[0] <= rows[1], "the order of the log is that of its commits"


def test_a_row_without_the_instant_of_its_change_is_rejected(
    project_root: Path, markets: Path, target: str
) -> None:
    report = load(project_root, markets, target, OPEN + OPEN.replace("2026-01-05 08:00\n", "\n"))
    assert counts(report) == (1, 0, 0, 1)


def test_identical_files_are_not_read_again_and_all_the_same_counted(
    project_root: Path, markets: Path, target: str
) -> None:
    load(project_root, markets, target, OPEN)
    again = load(project_root, markets, target, OPEN)
    assert counts(again) == (0, 1, 0, 0)
    assert again.tables[0].staged.known
    load(project_root, markets, target, CLOSED)
    assert not load(project_root, markets, target, OPEN).tables[0].staged.known


def test_a_load_can_be_undone(project_root: Path, markets: Path, target: str) -> None:
    load(project_root, markets, target, OPEN)
    wrong = load(project_root, markets, target, CLOSED)
    tables = dataset_tables(project_root)
    with connect(project_root, target) as warehouse:
        assert wrong.load_id == 2
        assert undo(warehouse, 2, tables) == {"mbp_markets": 1, "mbp_quotes": 0}
        assert {entry.load_id for entry in list_loads(warehouse)} == {1}
        with pytest.raises(
            MbpError, match=r"no load 2\. Fix: see the loads with `mbp load --list`"
        ):
            undo(warehouse, 2, tables)
    assert log(project_root, target) == [("r", "open")]
    assert counts(load(project_root, markets, target, CLOSED)) == (1, 0, 0, 0)
    with connect(project_root, target) as warehouse:
        for load_id in {entry.load_id for entry in list_loads(warehouse)}:
            undo(warehouse, load_id, tables)
        facts = read_facts(warehouse, tables)
    assert (facts.columns, facts.rules) == ({}, {})


def test_rejects_are_kept_and_children_of_a_rejected_row_are_no_orphans(
    project_root: Path, markets: Path, target: str
) -> None:
    report = load(project_root, markets, target, OPEN.replace("2026-01-06 08:00", "someday"))
    assert report.rejected == 3  # the market, and its two quotes
    with connect(project_root, target) as warehouse:
        _, rows = warehouse.query(
            "select dataset, file, source_row, column_name, reason from raw_mbp._load_rejects order by 1, 3"
        )
        loads = list_loads(warehouse)
    assert rows == [
        (
            "mbp_markets",
            "markets.csv",
            1,
            "closes_at",
            "closes_at: not an ISO 8601 instant such as 2026-01-05T09:00:00Z: someday",
        ),
        (
            "mbp_quotes",
            "quotes.csv",
            1,
            "market_id",
            "market_id: its row in markets was rejected: m1",
        ),
        (
            "mbp_quotes",
            "quotes.csv",
            2,
            "market_id",
            "market_id: its row in markets was rejected: m1",
        ),
    ]
    assert [(entry.dataset, entry.rejected) for entry in loads] == [
        ("mbp_markets", 1),
        ("mbp_quotes", 2),
    ]
    assert counts(load(project_root, markets, target, OPEN)) == (1, 0, 0, 0)
    bad_version = CLOSED.replace("2026-01-06 08:00,closed", "someday,closed")
    report = load(project_root, markets, target, bad_version)
    assert report.rejected == 1, "an earlier version of the market is in the warehouse"


def test_too_many_rejects_stop_the_load(
    project_root: Path, markets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "never.duckdb"))
    (markets / "markets.csv").write_text(HEADER + OPEN.replace("2026-01-06 08:00", "someday"))
    with pytest.raises(MbpError, match=r"3 rows rejected, more than 2: nothing was loaded"):
        load_folder(project_root, markets, markets / "mapping.yaml", max_rejects=2)
    assert not (tmp_path / "never.duckdb").exists()
