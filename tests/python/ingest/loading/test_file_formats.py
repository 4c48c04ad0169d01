"""Files as people have them: other dialects, packed, nested, several; and values made from theirs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from mbp.core import yaml_io
from mbp.core.errors import MbpError
from mbp.ingest.loading.load_sources import LoadReport, load_folder
from mbp.warehouse import connect

ABSENT = {"absent_tables": {"resolutions": "none yet", "abuse_events": "no detector"}}


@pytest.fixture(autouse=True)
def warehouse_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "loaded.duckdb"))


def load(
    root: Path, folder: Path, table: dict[str, Any], *, zone: str = "UTC", data: Path | None = None
) -> LoadReport:
    """Loads quotes alone, by this entry of a mapping."""
    mapping = {
        "version": 1,
        "source": "test",
        "time_zone": zone,
        "tables": {"quotes": table},
        **ABSENT,
    }
    path = folder / "quotes.yaml"
    path.write_text(json.dumps({"changed_at": "quoted_at", **mapping} and mapping))
    yaml_io.load(path)
    return load_folder(root, data or folder, path)


def quotes(root: Path, columns: str = "quote_id, cast(price as varchar)") -> list[tuple[Any, ...]]:
    with connect(root) as warehouse:
        return warehouse.query(f"select {columns} from raw_mbp.quotes order by quote_id")[1]


def rejects(root: Path) -> list[tuple[Any, ...]]:
    with connect(root) as warehouse:
        return warehouse.query("select file, source_row, reason from raw_mbp._load_rejects")[1]


def entry(**given: Any) -> dict[str, Any]:
    columns = {"quote_id": "id", "market_id": "m", "quoted_at": "at", "price": "p"}
    return {
        "changed_at": "quoted_at",
        **given,
        "columns": {**columns, **given.get("columns", {})},
    }


def test_a_dialect_with_comma_null_words_and_another_encoding(
    project_root: Path, folder: Path
) -> None:
    text = "id;m;at;p;n\n'é1';m1;2026-01-05;0,25;1.234,5\nq2;m1;2026-01-05;0,5;NA\nq3;m1;2026-01-05;0,5;k. A.\n"
    (folder / "q.csv").write_bytes(text.encode("windows-1252"))
    table = entry(
        file="q.csv",
        delimiter=";",
        quote="'",
        decimal=",",
        encoding="windows-1252",
        null_tokens=["NA", "k. A."],
        columns={"volume": "n"},
    )
    table["when_null"] = {"volume": {"value": 0, "reason": "unknown"}}
    report = load(project_root, folder, table)
    assert (report.tables[0].loaded, report.tables[0].staged.filled) == (3, {"volume": 2})
    rows = quotes(project_root, "quote_id, cast(price as varchar), cast(volume as varchar)")
    assert rows[2] == ("é1", "0.25000000", "1234.50000000")


@pytest.mark.parametrize("packed", ["gz", "zst"])
def test_packed_files_of_a_pattern_are_one_table(
    project_root: Path, folder: Path, packed: str
) -> None:
    for number in (1, 2):
        text = f"id,m,at,p\nq{number},m1,2026-01-0{number},0.{number}\n"
        if packed == "gz":
            (folder / f"day{number}.csv.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / "plain.csv").write_text(text)
            duckdb.sql(
                f"copy (from read_csv('{folder}/plain.csv', all_varchar = true))"
                f" to '{folder}/day{number}.csv.zst' (compression zstd)"
            )
    report = load(project_root, folder, entry(file=f"day*.csv.{packed}"))
    assert [name for name, _ in report.tables[0].staged.files] == [
        f"day1.csv.{packed}",
        f"day2.csv.{packed}",
    ]
    assert quotes(project_root) == [("q1", "0.10000000"), ("q2", "0.20000000")]


def test_json_lists_inside_of_records_are_rows(project_root: Path, folder: Path) -> None:
    document = [
        {
            "market": {"id": "m1"},
            "trades": [{"id": "q1", "at": "2026-01-05", "trade": {"p": 0.25}}],
        },
        {"market": {"id": "m2"}, "trades": []},
        {"market": {"id": "m3"}, "trades": [{"id": "q2", "at": "2026-01-05", "trade": {"p": "x"}}]},
    ]
    (folder / "q.json").write_text(json.dumps(document))
    table = entry(
        file="q.json", rows="trades", columns={"market_id": "$.market.id", "price": "trade.p"}
    )
    report = load(project_root, folder, table)
    assert (report.tables[0].staged.read, report.tables[0].staged.rejected) == (2, 1)
    assert quotes(project_root, "quote_id, market_id") == [("q1", "m1")]
    (folder / "q.jsonl").write_text('{"id": "q3", "m": "m1", "at": "2026-01-05", "p": 0.5}\n')
    load(project_root, folder, entry(file="q.jsonl"))
    assert quotes(project_root)[-1] == ("q3", "0.50000000")


def write_parquet(folder: Path, keys: list[bytes], instants: list[int]) -> None:
    """Quotes with keys as bytes and instants in nanoseconds, as older writers leave them."""
    rows = {
        "id": pa.array(keys, pa.binary()),
        "m": ["m1"] * len(keys),
        "at": pa.array(instants, pa.timestamp("ns")),
        "p": [0.5] * len(keys),
    }
    parquet.write_table(pa.table(rows), folder / "q.parquet")


def test_bytes_that_are_a_text_are_read_as_one(project_root: Path, folder: Path) -> None:
    nanoseconds = 1_767_603_600_123_456_000
    write_parquet(folder, ["é".encode(), rb"a\x41"], [nanoseconds, nanoseconds + 789])
    report = load(project_root, folder, entry(file="q.parquet"))
    assert [row[0] for row in quotes(project_root)] == [r"a\x41", "é"]
    assert report.tables[0].staged.rounded == {"quoted_at": 1}
    write_parquet(folder, [b"\xff"], [nanoseconds])
    with pytest.raises(MbpError, match="invalid UTF8"):
        load(project_root, folder, entry(file="q.parquet"))


def test_nested_columns_of_parquet(project_root: Path, folder: Path) -> None:
    duckdb.sql(
        "copy (select {'id': 'q1', 'p': 0.25} as trade, 'm1' as m, timestamp '2026-01-05' as \"at\")"
        f" to '{folder}/q.parquet'"
    )
    table = entry(file="q.parquet", columns={"quote_id": "trade.id", "price": "trade.p"})
    load(project_root, folder, table)
    assert quotes(project_root) == [("q1", "0.25000000")]


def test_one_file_may_be_named_alone(project_root: Path, folder: Path) -> None:
    (folder / "q.csv").write_text("id,m,at,p\nq1,m1,2026-01-05,0.5\n")
    assert load(project_root, folder, entry(), data=folder / "q.csv").tables[0].loaded == 1
    with pytest.raises(MbpError, match=r"quotes: no `file`\. Fix: name the folder"):
        load(project_root, folder, entry())


def test_values_are_made_from_theirs(project_root: Path, folder: Path) -> None:
    (folder / "q.csv").write_text(
        "a,b,m,sec,ms,cents,no\nx,1,A,1767614400.5,,25,0.75\nx,2,B,,1767614400500,50,0.5\n,3,B,1,,1,1\n"
    )
    made: dict[str, Any] = {
        "quote_id": {"join": ["a", "b"], "joiner": ":"},
        "market_id": {"column": "m", "values": {"A": "m1", "B": "m2"}},
        "quoted_at": {"first_of": ["sec", "ms"], "epoch": "seconds"},
        "price": {"column": "cents", "scale": 0.01},
        "volume": {"column": "no", "one_minus": True},
    }
    (folder / "one.csv").write_text(
        (folder / "q.csv").read_text().replace("1767614400500", "1767614401")
    )
    report = load(
        project_root, folder, {"file": "one.csv", "changed_at": "quoted_at", "columns": made}
    )
    assert report.tables[0].staged.rejected == 1, "a part of the key is missing"
    rows = quotes(
        project_root,
        "quote_id, market_id, cast(quoted_at as varchar), cast(price as varchar), cast(volume as varchar)",
    )
    assert rows == [
        ("x:1", "m1", "2026-01-05 12:00:00.5+00", "0.25000000", "0.25000000"),
        ("x:2", "m2", "2026-01-05 12:00:01+00", "0.50000000", "0.50000000"),
    ]


def test_rows_are_chosen_and_a_query_does_the_rest(project_root: Path, folder: Path) -> None:
    (folder / "q.csv").write_text(
        "id,m,at,p,kind\nq1,m1,2026-01-05,0.5,trade\nq2,m1,2026-01-05,x,order\n"
    )
    report = load(project_root, folder, entry(file="q.csv", keep={"kind": ["trade"]}))
    assert (report.tables[0].loaded, report.tables[0].staged.left_out, report.rejected) == (1, 1, 0)
    sql = "select id || '-' || kind as id, m, \"at\", 0.75 as p from file where kind = 'order'"
    load(project_root, folder, entry(file="q.csv", sql=sql))
    assert quotes(project_root)[-1] == ("q2-order", "0.75000000")
    for bad, message in (
        ("delete from file", "refused as SQL"),
        ("select * from read_csv('/etc/passwd')", "refused as SQL"),
        ("select nothing from file", "sql cannot run"),
    ):
        with pytest.raises(MbpError, match=message):
            load(project_root, folder, entry(file="q.csv", sql=bad))


@pytest.mark.parametrize(
    ("meaning", "instants"),
    [
        ("reject", []),
        ("earlier", ["2026-03-29 00:30:00+00", "2026-10-25 00:30:00+00"]),
        ("later", ["2026-03-29 01:30:00+00", "2026-10-25 01:30:00+00"]),
    ],
)
def test_local_times_that_no_clock_showed_or_showed_twice(
    project_root: Path, folder: Path, meaning: str, instants: list[str]
) -> None:
    """Lisbon: 01:30 does not exist on 29 March 2026, and exists twice on 25 October."""
    (folder / "q.csv").write_text(
        "id,m,at,p\nq1,m1,2026-03-29 01:30:00,0.5\nq2,m1,2026-10-25 01:30:00,0.5\nq3,m1,2026-07-01 01:30:00,0.5\n"
    )
    table = entry(file="q.csv", ambiguous_times=meaning)
    report = load(project_root, folder, table, zone="Europe/Lisbon")
    assert report.rejected == 2 - len(instants)
    rows = quotes(project_root, "cast(quoted_at as varchar)")
    assert [at for (at,) in rows] == [*instants, "2026-07-01 00:30:00+00"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"market_id": {"column": "m", "scale": 2}}, "market_id is no number: scale"),
        (
            {"price": {"column": "p", "epoch": "seconds", "values": {"a": "b"}, "join": ["p"]}},
            "price: expected another form",
        ),
        ({"market_id": {"column": "m", "epoch": "seconds"}}, "market_id is no instant: epoch"),
    ],
)
def test_what_does_not_fit_the_type_is_told(
    project_root: Path, folder: Path, columns: dict[str, Any], message: str
) -> None:
    (folder / "q.csv").write_text("id,m,at,p\nq1,m1,2026-01-05,0.5\n")
    with pytest.raises(MbpError, match=message):
        load(project_root, folder, entry(file="q.csv", columns=columns))


@pytest.mark.parametrize(
    ("text", "dialect", "values"),
    [
        ("1.000,5\n0.5\n1.0\n-2,5E-1\n", {"decimal": ","}, ["1000.50000000", "-0.25000000"]),
        ("1,000.5\n1,00.5\n1000\n", {"thousands": ","}, ["1000.50000000", "1000.00000000"]),
        ("1\u00a0000,5\n10 00\n", {"thousands": " ", "decimal": ","}, ["1000.50000000"]),
    ],
)
def test_a_number_in_another_notation_than_the_mapping_says_is_none(
    project_root: Path, folder: Path, text: str, dialect: dict[str, str], values: list[str]
) -> None:
    """0.5 with a decimal comma was 5."""
    rows = [f"q{place};m1;2026-01-05;0;{n}" for place, n in enumerate(text.split("\n")[:-1])]
    (folder / "q.csv").write_text("\n".join(["id;m;at;p;n", *rows]))
    table = entry(file="q.csv", delimiter=";", columns={"volume": "n"}, **dialect)
    report = load(project_root, folder, table)
    assert report.rejected == len(rows) - len(values)
    assert [n for (n,) in quotes(project_root, "cast(volume as varchar)")] == values


def test_a_file_with_several_line_ends_is_read_and_says_its_rows(
    project_root: Path, folder: Path
) -> None:
    (folder / "q.csv").write_bytes(
        b'id,m,at,p\r\nq1,m1,2026-01-05,0.5\nq2,m1,2026-01-05,x\r\n"q\n3",m1,2026-01-05,0.5\n'
    )
    report = load(project_root, folder, entry(file="q.csv"))
    assert (report.tables[0].loaded, report.rejected) == (2, 1)
    assert rejects(project_root) == [("q.csv", 2, "price: not a number within its range: x")]


@pytest.mark.parametrize("packed", ["gz", "zst"])
def test_a_packed_file_that_is_cut_off_is_refused(
    project_root: Path, folder: Path, packed: str
) -> None:
    """The engine reads what is there; the last value may then be a part of one."""
    text = "id,m,at,p\n" + "".join(f"q{n},m1,2026-01-05,0.{n + 1}\n" for n in range(3000))
    data = pa.compress(text.encode(), codec={"gz": "gzip", "zst": "zstd"}[packed], asbytes=True)
    file = folder / f"q.csv.{packed}"
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(MbpError, match="cannot be unpacked: Truncated"):
        load(project_root, folder, entry(file=file.name))
    file.write_text(text)
    with pytest.raises(MbpError, match="cannot be unpacked"):
        load(project_root, folder, entry(file=file.name))


@pytest.mark.parametrize(
    ("document", "rows"),
    [
        ({"data": {"trades": []}}, "data.tradez"),
        ([{"t": [{"id": "q1"}]}, {"t": {"id": "q2"}}], "t"),
        ({"markets": [{"trades": [{"id": "q1"}]}]}, "markets.trades"),
    ],
)
def test_a_path_that_leads_to_no_list_is_no_empty_day(
    project_root: Path, folder: Path, document: Any, rows: str
) -> None:
    (folder / "q.json").write_text(json.dumps(document))
    with pytest.raises(MbpError, match=f"rows: '{rows}' is no list in"):
        load(project_root, folder, entry(file="q.json", rows=rows))


def test_a_sale_is_a_trade_and_a_quote_without_a_price_is_left_out(
    project_root: Path, folder: Path
) -> None:
    (folder / "q.csv").write_text(
        "id,m,at,p,n,ok\nq1,m1,2026-01-05,0.5,-3,TRUE\nq2,m1,2026-01-05,,1,true\nq3,m1,2026-01-05,0.5,1,false\n"
    )
    volume = {"column": "n", "absolute": True}
    table = entry(
        file="q.csv", drop_null=["price"], keep={"ok": [True]}, columns={"volume": volume}
    )
    report = load(project_root, folder, table)
    assert (report.tables[0].staged.left_out, report.rejected) == (2, 0)
    assert quotes(project_root, "quote_id, cast(volume as varchar)") == [("q1", "3.00000000")]
    table["drop_null"] = ["prize"]
    with pytest.raises(MbpError, match=r"quotes has no column 'prize'\. Fix: did you mean 'price'"):
        load(project_root, folder, table)


def test_the_side_of_a_trade_follows_from_its_sign(project_root: Path, folder: Path) -> None:
    (folder / "t.csv").write_text("id,m,at,p,n\nt1,m1,2026-01-05,0.5,-3\nt2,m1,2026-01-05,0.5,2\n")
    trades = {
        "file": "t.csv",
        "changed_at": "traded_at",
        "columns": {
            "trade_id": "id",
            "market_id": "m",
            "traded_at": "at",
            "price": "p",
            "shares": {"column": "n", "absolute": True},
            "side": {"column": "n", "by_sign": {"negative": "NO", "positive": "YES"}},
        },
    }
    mapping = {"version": 1, "source": "test", "time_zone": "UTC", "tables": {"trades": trades}}
    (folder / "map.yaml").write_text(json.dumps(mapping))
    load_folder(project_root, folder, folder / "map.yaml")
    with connect(project_root) as warehouse:
        sql = "select trade_id, side, cast(shares as varchar) from raw_mbp.trades order by 1"
        rows = warehouse.query(sql)[1]
    assert rows == [("t1", "NO", "3.00000000"), ("t2", "YES", "2.00000000")]


def test_a_void_without_a_time_has_that_of_the_close_and_no_absent_fact_rejects_it(
    project_root: Path, folder: Path
) -> None:
    (folder / "r.csv").write_text(
        "id,m,at,val,closed\nr1,m1,2026-01-05,YES,never\nr2,m2,,VOID,2026-01-06\nr3,m3,,YES,2026-01-06\n"
    )
    resolutions = {
        "file": "r.csv",
        "changed_at": "decided_at",
        "columns": {
            "resolution_id": "id",
            "market_id": "m",
            "decided_at": "at",
            "decided_value": "val",
        },
        "absent": {"started_at": {"column": "closed", "reason": "not recorded"}},
        "when_null": {
            "decided_at": {
                "column": "closed",
                "where": {"val": ["VOID"]},
                "reason": "A void has no time of decision.",
            }
        },
    }
    tables = {"resolutions": resolutions}
    mapping = {"version": 1, "source": "test", "time_zone": "UTC", "tables": tables}
    (folder / "map.yaml").write_text(json.dumps(mapping))
    report = load_folder(project_root, folder, folder / "map.yaml")
    assert report.tables[0].staged.filled == {"decided_at": 1}
    assert rejects(project_root) == [("r.csv", 3, "decided_at: null in a required column")]
    with connect(project_root) as warehouse:
        sql = (
            "select resolution_id, cast(decided_at as varchar) from raw_mbp.resolutions order by 1"
        )
        rows = warehouse.query(sql)[1]
    assert [at for _, at in rows] == ["2026-01-05 00:00:00+00", "2026-01-06 00:00:00+00"]


@pytest.mark.parametrize(
    ("scale", "theirs", "ours"),
    [
        (1000000, "2.5", "2500000.00000000"),
        (1e-18, "12345678901234567890", "12.34567890"),
        (-0.5, "3", "-1.50000000"),
    ],
)
def test_a_scale_may_be_large_or_small(
    project_root: Path, folder: Path, scale: float, theirs: str, ours: str
) -> None:
    (folder / "Q.CSV").write_text(
        f"id,m,at,p,n\nq1,m1,2026-01-05,0.5,{theirs}\nq2,m1,2026-01-05,0.5,1e37\n"
    )
    table = entry(file="Q.CSV", columns={"volume": {"column": "n", "scale": scale}})
    assert load(project_root, folder, table).rejected == 1
    assert quotes(project_root, "cast(volume as varchar)") == [(ours,)]


def test_endings_of_names_may_be_in_capitals(project_root: Path, folder: Path) -> None:
    row = {"id": "q1", "m": "m1", "at": "2026-01-05", "p": 0.5}
    (folder / "Q.JSON.GZ").write_bytes(gzip.compress(json.dumps([row]).encode()))
    assert load(project_root, folder, entry(file="Q.JSON.GZ")).tables[0].loaded == 1
