"""`mbp load`: everything counted, nothing invented, nothing twice, and bad input told in one line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from mbp.cli import app, register
from mbp.errors import MbpError
from mbp.loading import load_folder, read_facts
from mbp.warehouse import connect
from mbp.warehouse.canonical import canonical_value
from mbp.warehouse.server import PostgresServer

MARKETS = "id,question,opens,closes\nm1,Will it rain?,2026-01-05 08:00,2026-01-06 08:00\n"
QUOTES = (
    "trade,market,at,price,shares,user\n"
    "t1,m1,2026-01-05 09:00:00,0.5,10,ann\n"
    "t2,m1,2026-01-05 09:00:01,0.123456785,,bob\n"
)
MAPPING = """
version: 1
source: test
time_zone: America/Sao_Paulo
tables:
  markets:
    file: markets.csv
    changed_at: opened_at
    columns: {market_id: id, name: question, opened_at: opens, closes_at: closes}
    constants: {template_id: t, category: c, truth_source: table, status: open}
    absent:
      closed_at: {value: null, reason: still open}
      resolution_deadline: {column: closes, reason: none set}
      min_liquidity: {value: 0, reason: not told}
      created_at: {column: opens, reason: not told}
      updated_at: {column: opens, reason: not told}
  quotes:
    file: quotes.csv
    changed_at: quoted_at
    columns: {quote_id: trade, market_id: market, quoted_at: at, price: price, volume: shares}
    when_null:
      volume: {value: 0, reason: no share count}
    absent:
      depth_2pct: {value: 0, reason: no depth}
      twap_5m: {column: price, reason: no average}
absent_tables:
  resolutions: nothing is resolved yet
  abuse_events: no detector
not_measurable:
  - rules: [mbp_quotes_freshness]
    reason: a history
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    (data / "markets.csv").write_text(MARKETS)
    (data / "quotes.csv").write_text(QUOTES)
    (data / "mapping.yaml").write_text(MAPPING)
    return data


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each engine with an empty warehouse of its own."""
    name: str = request.param
    if name == "duckdb":
        monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "loaded.duckdb"))
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        database = request.getfixturevalue("postgres_database")
        for variable, value in server.environment(database).items():
            monkeypatch.setenv(variable, value)
    return name


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
    (folder / "quotes.csv").write_text(QUOTES.replace("0.5,10", "0.6,10"))
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
        facts = read_facts(warehouse)
    assert facts.columns["mbp_quotes"] == {"depth_2pct": "no depth", "twap_5m": "no average"}
    assert facts.datasets == {
        "mbp_abuse_events": "no detector",
        "mbp_resolutions": "nothing is resolved yet",
    }
    assert facts.rules == {"mbp_quotes_freshness": "a history"}


def test_a_fact_is_absent_only_when_every_source_of_the_dataset_lacks_it(
    project_root: Path, folder: Path, target: str
) -> None:
    load_folder(project_root, folder, folder / "mapping.yaml", target=target)
    other = folder / "other.yaml"
    text = MAPPING.replace("source: test", "source: other").replace("{trade", "{trade")
    text = text.replace("      depth_2pct: {value: 0, reason: no depth}\n", "")
    text = text.replace("volume: shares}", "volume: shares, depth_2pct: shares}", 1)
    text = text[: text.index("not_measurable")]
    other.write_text(text.replace("when_null:\n      volume: {", "when_null:\n      volume: {"))
    quotes = QUOTES.replace("t1,", "o1,").replace("t2,", "o2,").replace(",,bob", ",7,bob")
    (folder / "quotes.csv").write_text(quotes)
    load_folder(project_root, folder, other, target=target)
    with connect(project_root, target) as warehouse:
        facts = read_facts(warehouse)
    assert facts.columns["mbp_quotes"] == {"twap_5m": "no average"}
    assert facts.rules == {}


def test_a_dataset_declared_absent_that_has_rows_is_refused(
    project_root: Path, folder: Path, target: str
) -> None:
    load_folder(project_root, folder, folder / "mapping.yaml", target=target)
    with connect(project_root, target) as warehouse:
        with warehouse.transaction():
            warehouse.execute("insert into raw_mbp.abuse_events (abuse_event_id) values ('a1')")
        with pytest.raises(MbpError, match=r"abuse_events has rows.*no mbp_abuse_events.*Cure"):
            read_facts(warehouse)


@pytest.mark.parametrize(
    "instant",
    ["infinity", "-infinity", "epoch", "now", "2026-01-05 09:00:00 BC", "20260105", "12:00"],
)
def test_what_is_no_finite_instant_is_rejected(
    project_root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instant: str
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "one.duckdb"))
    (folder / "quotes.csv").write_text(QUOTES + f"t9,m1,{instant},0.5,1,eve\n")
    report = load_folder(project_root, folder, folder / "mapping.yaml")
    assert (report.tables[1].staged.rejected, report.tables[1].loaded) == (1, 2)


@pytest.mark.parametrize(
    "instant",
    ["2026-01-05", "2026-01-05T09:00:00.123456Z", "2026-01-05 09:00:00+02", "2026-01-05 09:00"],
)
def test_every_shape_of_iso_8601_instants_is_read(
    project_root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instant: str
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "one.duckdb"))
    (folder / "quotes.csv").write_text(QUOTES + f"t9,m1,{instant},0.5,1,eve\n")
    assert load_folder(project_root, folder, folder / "mapping.yaml").rejected == 0


@pytest.mark.parametrize(
    ("line", "found"), [("t9,m1,2026-01-05", 3), ("t9,m1,2026,1,2,3,4,5", "more")]
)
def test_a_ragged_line_is_told_with_its_number(
    project_root: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    found: int | str,
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "never.duckdb"))
    (folder / "quotes.csv").write_text(QUOTES + line + "\n")
    message = rf"quotes\.csv:4: expected 6 fields as in the header, found {found}\. Cure"
    with pytest.raises(MbpError, match=message):
        load_folder(project_root, folder, folder / "mapping.yaml")
    assert not (tmp_path / "never.duckdb").exists()


def test_another_delimiter_is_named_not_guessed(
    project_root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "one.duckdb"))
    (folder / "quotes.csv").write_text(QUOTES.replace(",", ";"))
    with pytest.raises(MbpError, match="has no column 'trade'"):
        load_folder(project_root, folder, folder / "mapping.yaml")
    named = MAPPING.replace("file: quotes.csv", "file: quotes.csv\n    delimiter: ';'")
    (folder / "mapping.yaml").write_text(named)
    report = load_folder(project_root, folder, folder / "mapping.yaml")
    assert report.tables[1].loaded == 2


def test_a_reject_file_without_a_folder_is_told_before_anything_is_loaded(
    project_root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "never.duckdb"))
    for place in (tmp_path / "nowhere" / "rejects.csv", tmp_path):
        with pytest.raises(MbpError, match="the reject file cannot be written there"):
            load_folder(project_root, folder, folder / "mapping.yaml", reject_file=place)
    assert not (tmp_path / "never.duckdb").exists()


def test_every_reject_has_its_reason_and_no_unmapped_column(
    project_root: Path, folder: Path, target: str, tmp_path: Path
) -> None:
    (folder / "quotes.csv").write_text(
        QUOTES
        + "t1,m1,2026-01-05 09:00:02,0.5,1,eve\n"  # duplicate key
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
        ("quotes", "4", "quoted_at: not a timestamp: yesterday"),
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

    monkeypatch.setattr("mbp.loading.load.write_facts", broken)
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
    mapping.write_text(MAPPING.replace("quotes.csv", "quotes.parquet"))
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
        "forgotten column",
        lambda text: text.replace("      depth_2pct: {value: 0, reason: no depth}\n", ""),
        r"quotes\.depth_2pct is not mapped",
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
    changed = change(MAPPING)
    assert changed != MAPPING, name
    mapping.write_text(changed)
    with pytest.raises(MbpError, match=message):
        load_folder(project_root, folder, mapping)
    assert not (tmp_path / "never.duckdb").exists()


def test_a_file_without_rows_is_nothing_to_load(
    project_root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "never.duckdb"))
    (folder / "quotes.csv").write_text(QUOTES.splitlines()[0] + "\n")
    with pytest.raises(MbpError, match=r"quotes\.csv: no rows: nothing to load"):
        load_folder(project_root, folder, folder / "mapping.yaml")


def test_the_command_exits_1_when_rows_were_rejected(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "c.duckdb"))
    register()
    arguments = ["load", str(folder), "--mapping", str(folder / "mapping.yaml")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    (folder / "quotes.csv").write_text(QUOTES + "t9,m1,never,0.5,1,eve\n")
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["tables"][1]["rejected"] == 1
