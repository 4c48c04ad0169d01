"""`mbp load`: everything counted, nothing invented, nothing twice, and bad input told in one line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from lab.canonical import canonical_value
from mbp.cli.main import app, register
from mbp.core.errors import MbpError
from mbp.ingest.loading.load_sources import load_folder
from mbp.ingest.loading.source_facts import dataset_tables, read_facts
from mbp.warehouse import connect


def test_rows_arrive_typed_in_utc_and_once(project_root: Path, folder: Path, target: str) -> None:
    mapping = folder / "mapping.yaml"
    first = load_folder(project_root, folder, mapping, target=target)
    assert [(one.table, one.staged.read, one.loaded, one.unchanged) for one in first.tables] == [
        ("markets", 1, 1, 0),
        ("quotes", 2, 2, 0),
    ]
    quotes = first.tables[1].staged
    assert (quotes.rounded, quotes.filled, quotes.rejected) == ({"price": 1}, {"volume": 1}, 0)
    again = load_folder(project_root, folder, mapping, target=target)
    assert [(one.loaded, one.unchanged) for one in again.tables] == [(0, 1), (0, 2)]
    with connect(project_root, target) as warehouse:
        _, rows = warehouse.query(
            "select quote_id, quoted_at, price, volume, __op, __deleted,"
            " __source_ts_ms, __source_lsn from raw_mbp.quotes order by quote_id"
        )
    assert [[canonical_value(value) for value in row] for row in rows] == [
        [
            "t1",
            "2026-01-05T12:00:00.000000Z",
            "0.50000000",
            "10.00000000",
            "r",
            "false",
            "1767614400000",
            "1",
        ],
        [
            "t2",
            "2026-01-05T12:00:01.000000Z",
            "0.12345678",
            "0.00000000",
            "r",
            "false",
            "1767614401000",
            "2",
        ],
    ]


def test_changed_content_is_an_update_with_a_higher_position(
    project_root: Path, folder: Path, target: str
) -> None:
    mapping = folder / "mapping.yaml"
    load_folder(project_root, folder, mapping, target=target)
    quotes = folder / "quotes.csv"
    quotes.write_text(quotes.read_text().replace("0.5,10", "0.6,10"))
    report = load_folder(project_root, folder, mapping, target=target)
    assert [(one.loaded, one.unchanged) for one in report.tables] == [(0, 1), (1, 1)]
    with connect(project_root, target) as warehouse:
        _, rows = warehouse.query(
            "select __op, __source_lsn from raw_mbp.quotes where quote_id = 't1' order by 2"
        )
    assert rows == [("r", 1), ("u", 3)]


def test_what_the_source_lacks_is_kept_for_the_build(
    project_root: Path, folder: Path, target: str
) -> None:
    for _ in range(2):
        load_folder(project_root, folder, folder / "mapping.yaml", target=target)
    with connect(project_root, target) as warehouse:
        facts = read_facts(warehouse, dataset_tables(project_root))
    assert facts.columns["mbp_quotes"] == {"depth_2pct": "no depth", "twap_5m": "no average"}
    assert facts.datasets == {
        "mbp_abuse_events": "no detector",
        "mbp_trades": "no single trades",
        "mbp_resolutions": "nothing is resolved yet",
    }
    assert facts.rules == {"mbp_quotes_freshness": "a history"}


def test_every_reject_has_its_reason_and_no_unmapped_column(
    project_root: Path, folder: Path, target: str, tmp_path: Path
) -> None:
    quotes = folder / "quotes.csv"
    quotes.write_text(
        quotes.read_text()
        + "t1,m1,2026-01-05 09:00:00,0.7,1,eve\n"  # at the same instant, with other content
        + "t4,m1,yesterday,0.5,1,eve\n"
        + "t5,m1,2026-01-05 09:00:02,cheap,1,eve\n"
        + "t6,m1,2026-01-05 09:00:02,99999999999,1,eve\n"
        + ",m1,2026-01-05 09:00:02,0.5,1,eve\n"
    )
    rejects = tmp_path / "rejects.csv"
    report = load_folder(
        project_root, folder, folder / "mapping.yaml", target=target, reject_file=rejects
    )
    assert report.rejected == 5
    assert (report.tables[1].staged.read, report.tables[1].loaded) == (7, 2)
    rows = list(csv.DictReader(rejects.open()))
    assert [(row["table_name"], row["source_row"], row["reason"]) for row in rows] == [
        ("quotes", "3", "quote_id: duplicate key, first in row 1"),
        (
            "quotes",
            "4",
            "quoted_at: not an ISO 8601 instant such as 2026-01-05T09:00:00Z: yesterday",
        ),
        ("quotes", "5", "price: not a number within its range: cheap"),
        ("quotes", "6", "price: not a number within its range: 99999999999"),
        ("quotes", "7", "quote_id: null in a required column"),
    ]
    assert json.loads(rows[1]["original"])["at"] == "yesterday"
    assert "eve" not in rejects.read_text()


def test_a_dry_run_writes_nothing(project_root: Path, folder: Path, target: str) -> None:
    report = load_folder(project_root, folder, folder / "mapping.yaml", target=target, dry_run=True)
    assert [one.loaded for one in report.tables] == [1, 2]
    with connect(project_root, target) as warehouse:
        found = "select count(*) from information_schema.tables where table_schema = 'raw_mbp'"
        assert warehouse.query(found)[1] == [(0,)]


def test_a_failure_in_the_middle_leaves_nothing(
    project_root: Path, folder: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr("mbp.ingest.loading.load_sources.end_load", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        load_folder(project_root, folder, folder / "mapping.yaml", target=target)
    with connect(project_root, target) as warehouse:
        found = "select count(*) from information_schema.tables where table_schema = 'raw_mbp'"
        assert warehouse.query(found)[1] == [(0,)]


def test_parquet_is_read_like_csv(
    project_root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "p.duckdb"))
    duckdb.sql(f"copy (from read_csv('{folder}/quotes.csv')) to '{folder}/quotes.parquet'")
    mapping = folder / "mapping.yaml"
    mapping.write_text(mapping.read_text().replace("quotes.csv", "quotes.parquet"))
    report = load_folder(project_root, folder, mapping)
    assert report.tables[1].loaded == 2


BAD_MAPPINGS: list[tuple[str, Callable[[str], str], str]] = [
    (
        "unknown key",
        lambda text: text.replace("changed_at:", "changd_at:", 1),
        r"mapping\.yaml:\d+: .*changd_at",
    ),
    ("duplicate key", lambda text: text + "source: twice\n", r"mapping\.yaml:\d+: duplicate key"),
    (
        "missing column",
        lambda text: text.replace("price: price", "price: prize"),
        r"mapping\.yaml:20: quotes\.csv has no column 'prize'",
    ),
    (
        "missing file",
        lambda text: text.replace("quotes.csv", "quoted.csv"),
        r"mapping\.yaml:\d+: quoted\.csv is not in the folder",
    ),
    (
        "forgotten key",
        lambda text: text.replace("quote_id: trade, ", ""),
        r"mapping\.yaml:\d+: quotes\.quote_id is not mapped",
    ),
    (
        "our column unknown",
        lambda text: text.replace("volume: shares", "volum: shares"),
        r"no column 'volum'.*did you mean 'volume'",
    ),
    (
        "table unknown",
        lambda text: text.replace("abuse_events: no", "abuse_event: no"),
        r"no raw table 'abuse_event'.*did you mean 'abuse_events'",
    ),
    (
        "rule unknown",
        lambda text: text.replace("mbp_quotes_freshness", "mbp_quotes_fresh"),
        r"no rule 'mbp_quotes_fresh'",
    ),
    (
        "time zone unknown",
        lambda text: text.replace("America/Sao_Paulo", "Mars/Olympus"),
        r"unknown time zone 'Mars/Olympus'",
    ),
    (
        "way out of the folder",
        lambda text: text.replace("quotes.csv", "../quotes.csv"),
        r"leads out of the folder",
    ),
    ("empty", lambda _: "", r"the file is empty"),
]


@pytest.mark.parametrize(
    ("name", "change", "message"), BAD_MAPPINGS, ids=[one[0] for one in BAD_MAPPINGS]
)
def test_a_bad_mapping_is_told_with_its_place(
    project_root: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    change: Callable[[str], str],
    message: str,
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "never.duckdb"))
    mapping = folder / "mapping.yaml"
    text = mapping.read_text()
    changed = change(text)
    assert changed != text, name
    mapping.write_text(changed)
    with pytest.raises(MbpError, match=message):
        load_folder(project_root, folder, mapping)
    assert not (tmp_path / "never.duckdb").exists()


@pytest.mark.parametrize("content", ["header", "nothing"])
def test_an_empty_file_is_an_empty_day(
    project_root: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str,
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "day.duckdb"))
    quotes = folder / "quotes.csv"
    quotes.write_text(quotes.read_text().splitlines()[0] + "\n" if content == "header" else "")
    report = load_folder(project_root, folder, folder / "mapping.yaml")
    assert [(table.staged.read, table.loaded) for table in report.tables] == [(1, 1), (0, 0)]


def test_the_command_exits_1_when_rows_were_rejected(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "c.duckdb"))
    register()
    arguments = ["load", str(folder), "--mapping", str(folder / "mapping.yaml")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    quotes = folder / "quotes.csv"
    quotes.write_text(quotes.read_text() + "t9,m1,never,0.5,1,eve\n")
    result = CliRunner().invoke(app, [*arguments, "--format", "json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["tables"][1]["rejected"] == 1
