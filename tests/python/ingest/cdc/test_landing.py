"""Files of a Debezium pipeline: records as Debezium 3.6 wrote them (records/), and files as they should not be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lab.postgres_server import PostgresServer
from lab.simulate.schema import KEYS
from mbp.core.errors import MbpError
from mbp.ingest.cdc.landing import SLOT, Landed, land
from mbp.ingest.cdc.replay import replay_records
from mbp.ingest.initialise import initialise
from mbp.ingest.raw_tables import raw_tables
from mbp.runs.dbt_process import environment
from mbp.warehouse import connect

RECORDS = Path(__file__).parent / "records"


class Place:
    """A warehouse and a folder that a pipeline writes to."""

    def __init__(self, root: Path, target: str, folder: Path) -> None:
        self.root, self.target, self.folder = root, target, folder
        self.said: list[str] = []

    def land(self) -> Landed:
        return land(self.root, self.target, self.folder, self.said.append)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with connect(self.root, self.target, read_only=True) as warehouse:
            return warehouse.query(sql)[1]

    def put(self, name: str, *records: object) -> Path:
        path = self.folder / name
        path.write_text("".join(f"{json.dumps(one)}\n" for one in records), encoding="utf-8")
        return path

    def letters(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "select table_name, kind, reason from raw_mbp._cdc_dead_letters order by table_name, reason"
        )


@pytest.fixture(params=["duckdb", "postgres"])
def place(
    request: pytest.FixtureRequest,
    project_root: Path,
    postgres_server: PostgresServer,
    postgres_database: str,
    tmp_path: Path,
) -> Iterator[Place]:
    folder = tmp_path / "landing"
    folder.mkdir()
    settings = {
        **postgres_server.environment(postgres_database),
        "MBP_DUCKDB_PATH": str(tmp_path / "mbp.duckdb"),
    }
    with environment(settings):
        with connect(project_root, request.param) as warehouse:
            initialise(project_root, warehouse)
        yield Place(project_root, request.param, folder)


def quote(key: str = "q", position: int = 100, **more: object) -> dict[str, Any]:
    """A flattened insert."""
    names = ("market_id", "quoted_at", "price", "volume", "depth_2pct", "twap_5m")
    own = {"quote_id": key, **dict.fromkeys(names)}
    log = {
        "__op": "c",
        "__table": "quotes",
        "__source_ts_ms": 1795594249080,
        "__source_lsn": position,
    }
    return {**own, **log, **more}


def test_envelopes_of_the_real_engine(place: Place) -> None:
    shutil.copy(RECORDS / "envelope.jsonl", place.folder)
    found = place.land()
    assert (found.counts.changes, found.counts.repeated, found.counts.refused) == (12, 0, 3)
    assert found.counts.other == {"tombstone": 3, "other": 1}
    assert place.rows(
        "select __op, market_id, name, min_liquidity from raw_mbp.markets where __source_lsn < 28419136"
        " order by __source_lsn, __op desc"
    ) == [
        ("r", "m-1", "ünï", Decimal("12345.12345678")),
        ("c", "m-2", "", Decimal("0.00000001")),
        ("c", "m-3", "\\N", Decimal("-1.00000000")),
        ("u", "m-1", "ünï", Decimal("7.00000000")),
        ("d", "m-2", "", Decimal("0.00000001")),
        ("c", "moved", "", Decimal("0.00000001")),
        ("d", "m-3", "\\N", Decimal("-1.00000000")),
    ]
    instants = place.rows("select opened_at from raw_mbp.markets where market_id = 'm-3' limit 1")
    assert instants[0][0].isoformat() == "1969-12-31T23:59:59.999999+00:00"
    # What was there when the table was emptied.
    emptied = "select market_id from raw_mbp.markets where __source_lsn = 28419136 order by 1"
    assert place.rows(emptied) == [("m-1",), ("moved",)]
    assert place.rows("select __op from raw_mbp.abuse_events order by __source_lsn") == [
        ("c",),
        ("u",),
        ("d",),
    ]
    assert place.letters() == [
        (
            "abuse_events",
            "message",
            "envelope.jsonl:12: details was left alone and not sent, and nor was the old row",
        ),
        ("quotes", "message", "envelope.jsonl:18: volume is not a number"),
        ("quotes", "value", "quoted_at is not an exact timestamptz"),
    ]
    assert place.rows("select count(*) from raw_ops.cdc_heartbeats") == [(len(KEYS),)]
    landed = place.rows("select slot, file_name, changes, repeated from raw_mbp._cdc_landed")
    assert landed == [(SLOT, "envelope.jsonl", 12, 0)]


def test_the_same_file_and_the_same_records_are_taken_once(place: Place) -> None:
    shutil.copy(RECORDS / "envelope.jsonl", place.folder)
    place.land()
    before = [
        place.rows(f"select count(*) from {name}")
        for name in ("raw_mbp.markets", "raw_ops.cdc_heartbeats")
    ]
    letters = place.letters()
    again = place.land()
    assert (again.files, again.known, again.counts.changes) == (0, 1, 0)
    shutil.copy(RECORDS / "envelope.jsonl", place.folder / "z.jsonl")
    again = place.land()
    assert (again.files, again.known, again.counts.changes, again.counts.repeated) == (1, 1, 0, 12)
    after = [
        place.rows(f"select count(*) from {name}")
        for name in ("raw_mbp.markets", "raw_ops.cdc_heartbeats")
    ]
    assert after == before
    # Records that could not be understood are told by where they stood, and kept once.
    assert place.letters() == letters


def test_flattened_records_of_the_real_engine(place: Place) -> None:
    shutil.copy(RECORDS / "flattened.jsonl", place.folder)
    found = place.land()
    assert (found.counts.changes, found.counts.refused) == (10, 3)
    assert place.rows(
        "select __op, __deleted, market_id from raw_mbp.markets order by __source_lsn, __op desc"
    ) == [
        ("r", "false", "m-1"),
        ("c", "false", "m-2"),
        ("c", "false", "m-3"),
        ("u", "false", "m-1"),
        ("d", "true", "m-2"),
        ("c", "false", "moved"),
        ("d", "true", "m-3"),
    ]


def test_bytes_with_a_schema_are_exact(place: Place) -> None:
    shutil.copy(RECORDS / "precise_with_schema.jsonl", place.folder)
    place.land()
    assert place.rows(
        "select market_id, min_liquidity from raw_mbp.markets order by __source_lsn"
    ) == [
        ("m-1", Decimal("12345.12345678")),
        ("m-2", Decimal("0.00000001")),
        ("m-3", Decimal("-1.00000000")),
        ("m-1", Decimal("7.00000000")),
    ]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ("double", "binary fraction, which is not exact"),
        ("precise_without_schema", "schema tell its scale"),
    ],
)
def test_settings_that_lose_digits_are_refused(place: Place, record: str, told: str) -> None:
    shutil.copy(RECORDS / f"{record}.jsonl", place.folder)
    with pytest.raises(MbpError, match=told) as caught:
        place.land()
    assert str(caught.value).startswith(f"{record}.jsonl:1: ")
    assert "decimal.handling.mode=string" in str(caught.value)
    assert place.rows("select count(*) from raw_mbp.markets") == [(0,)]
    assert place.rows("select count(*) from raw_mbp._cdc_landed") == [(0,)]


def test_a_change_that_comes_late_does_not_bring_back_what_was_emptied(place: Place) -> None:
    truncate = {"op": "t", "before": None, "after": None}
    source = {"table": "quotes", "schema": "public", "lsn": 200, "ts_ms": 1795594249080}
    place.put("1.jsonl", quote("a", 100), {**truncate, "source": source})
    place.land()
    place.put("2.jsonl", quote("late", 150), quote("after", 300))
    place.land()
    gone = place.rows("select quote_id from raw_mbp.quotes where __op = 'd' order by 1")
    assert gone == [("a",), ("late",)]


def test_what_may_be_before_or_after_the_snapshot_waits_for_its_sequence(place: Place) -> None:
    at = 1795594249080
    snapshot = quote("q", 1000, __op="r")
    place.put("1.jsonl", snapshot, quote("later", 1200))
    place.put("2.jsonl", quote("q", 900, __op="u", volume="9"))
    found = place.land()
    assert found.counts.refused == 1
    ((table, kind, reason),) = place.letters()
    assert (table, kind) == ("quotes", "message")
    assert "source.sequence" in reason
    # Tried again as it is, it stays.
    assert replay_records(place.root, place.target, SLOT)[1] == 1
    # Done as it says: written again with the sequence, then replayed.
    again = {"__op": "u", "volume": "9", "__source_sequence": '["1100", "900"]'}
    place.put("3.jsonl", quote("q", 900, **again))
    place.land()
    assert replay_records(place.root, place.target, SLOT)[1] == 0
    newest = (
        "select __op, volume from raw_mbp.quotes where quote_id = 'q' order by __source_lsn desc"
    )
    assert place.rows(newest) == [("u", Decimal(9)), ("r", None)]
    # What comes again, or comes late from before the snapshot, changes nothing.
    place.put("4.jsonl", quote("q", 900, **again))
    early = {
        **again,
        "volume": "1",
        "__source_ts_ms": at - 1,
        "__source_sequence": '["700", "800"]',
    }
    place.put("5.jsonl", quote("q", 800, **early))
    assert place.land().counts.repeated == 1
    assert place.rows(newest)[0] == ("u", Decimal(9))


def test_a_sequence_that_is_none_is_refused(place: Place) -> None:
    place.put("1.jsonl", quote("good"), quote("bad", __source_sequence="[1]"))
    assert place.land().counts.refused == 1
    assert place.letters()[0][2] == "1.jsonl:2: __source_sequence is not a sequence of positions"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (quote(__op="x"), "its operation is not one of r, c, u, d, t"),
        (quote(key=None), "its key is null"),  # type: ignore[arg-type]
        (quote(__source_lsn="12"), "__source_lsn is not a number"),
        (quote(market_id=7), "market_id is a number, expected a string"),
        (
            quote(market_id="__debezium_unavailable_value"),
            "market_id was left alone and not sent, and nor was the old row",
        ),
        (
            quote(price="1234"),
            "price may be a number or its bytes: nothing in the record says which",
        ),
        (quote(quoted_at=12), "quoted_at is a number of which nothing says the unit"),
        ({"colour": "red"}, "not a record of Debezium"),
        ([1], "not an object"),
    ],
)
def test_a_record_that_cannot_be_taken_in_is_kept(place: Place, record: Any, reason: str) -> None:
    place.put("market.public.quotes+0+1.jsonl", quote("good"), record)
    found = place.land()
    assert (found.counts.changes, found.counts.refused) == (1, 1)
    assert found.problems == "1 records in quarantine"
    assert place.letters() == [("quotes", "message", f"market.public.quotes+0+1.jsonl:2: {reason}")]
    kept = place.rows("select payload from raw_mbp._cdc_dead_letters")
    assert json.loads(bytes.fromhex(kept[0][0])) == record


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{ no json\nnor this\n", "no record in it can be read"),
        (json.dumps(quote()) + '\n{"quote_id": "cut', "ends within a record"),
        (json.dumps(quote("a")) + "\nnull\n", "tombstones but no deletes"),
        (
            json.dumps({**quote(), "__op": None} | {"price": 0.5}),
            "decimal.handling.mode=string|none of r",
        ),
        (json.dumps({"quote_id": "q"}), "__op is missing"),
        (
            json.dumps({**quote(), "__source_lsn": None}),
            "__source_lsn or __source_ts_ms is not there",
        ),
        (
            json.dumps({key: value for key, value in quote().items() if key != "price"}),
            "quotes.price is not in the record",
        ),
    ],
)
def test_a_file_that_makes_no_sense_is_an_error(place: Place, text: str, told: str) -> None:
    if "none of r" in told:
        text = json.dumps(quote(price=0.5))
    (place.folder / "quotes-1.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(MbpError, match=told) as caught:
        place.land()
    assert str(caught.value).startswith("quotes-1.jsonl")
    assert place.rows("select count(*) from raw_mbp.quotes") == [(0,)]
    assert place.rows("select count(*) from raw_mbp._cdc_landed") == [(0,)]


def test_no_parquet_is_an_error(place: Place) -> None:
    (place.folder / "quotes.parquet").write_bytes(b"PAR1 is not all of it")
    with pytest.raises(MbpError, match="cannot be read as Parquet"):
        place.land()


def test_unreadable_lines_are_kept_with_their_place(place: Place) -> None:
    (place.folder / "quotes.jsonl").write_text(
        f"{json.dumps(quote())}\n{{ broken\n", encoding="utf-8"
    )
    assert place.land().counts.refused == 1
    assert place.letters() == [("quotes", "message", "quotes.jsonl:2: cannot be read as JSON")]


def test_changed_unfinished_foreign_and_empty_files(place: Place) -> None:
    with pytest.raises(MbpError, match="no file of JSON lines or Parquet"):
        place.land()
    path = place.put("a.jsonl", quote())
    for name in (".hidden.jsonl", "b.jsonl.tmp", "c.parquet.part", "_SUCCESS"):
        place.put(name, quote("no"))
    place.put("notes.txt", "x")
    place.put("empty.jsonl")
    found = place.land()
    assert found.left == ["notes.txt is of no known kind", "empty.jsonl is empty"]
    assert sum("hidden or not finished" in told for told in place.said) == 4
    assert place.rows("select quote_id from raw_mbp.quotes") == [("q",)]
    path.write_text(json.dumps(quote("other")) + "\n", encoding="utf-8")
    with pytest.raises(MbpError, match="taken in before, and has other content now"):
        place.land()
    assert place.rows("select quote_id from raw_mbp.quotes") == [("q",)]


def test_instants_as_numbers_and_other_tables(place: Place) -> None:
    place.put(
        "1.jsonl",
        quote("ms", 1, quoted_at=1767571200123),
        quote("us", 2, quoted_at=1767571200123456),
        quote("plain", 3, quoted_at="2026-01-05T00:00:00.123456Z", price="1E-8"),
        {**quote("other", 4), "__table": "orders"},
    )
    found = place.land()
    assert found.counts.other == {"orders": 1}
    rows = place.rows("select quote_id, quoted_at, price from raw_mbp.quotes order by __source_lsn")
    assert [row[1].microsecond for row in rows] == [123000, 123456, 123456]
    assert rows[2][2] == Decimal("0.00000001")


def test_the_loader_role_is_enough(place: Place) -> None:
    place.put("1.jsonl", quote())
    with environment({"MBP_PG_ROLE": "mbp_loader"}):
        assert place.land().counts.changes == 1


def test_letters_are_delivered_after_the_fix_and_kept_before_it(place: Place) -> None:
    wide = "12345678901.12345678"
    place.put("1.jsonl", quote("good", 1), quote("wide", 2, price=wide), quote("x", 3, __op="x"))
    assert place.land().counts.refused == 2
    lines, left = replay_records(place.root, place.target, SLOT)
    assert (lines, left) == (
        ["quotes: 0 delivered, 2 left (its operation is not one of r, c, u, d, t)"],
        2,
    )
    assert len(place.letters()) == 2
    with pytest.MonkeyPatch.context() as patch:
        known = raw_tables(place.root)
        known["mbp.quotes"] = [
            (name, "decimal(28,8)" if name == "price" else kind)
            for name, kind in known["mbp.quotes"]
        ]
        patch.setattr("mbp.ingest.cdc.replay.raw_tables", lambda _: known)
        with connect(place.root, place.target) as warehouse:
            warehouse.execute("alter table raw_mbp.quotes alter column price type decimal(28,8)")
        lines, left = replay_records(place.root, place.target, SLOT)
    assert (lines, left) == (
        ["quotes: 1 delivered, 1 left (its operation is not one of r, c, u, d, t)"],
        1,
    )
    assert place.rows("select price from raw_mbp.quotes where quote_id = 'wide'") == [
        (Decimal(wide),)
    ]
