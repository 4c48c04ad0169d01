"""One bad record in a file of a pipeline: it is a dead letter with a reason, and its neighbours land.

Whatever its size: refused in bounded time and memory, and never by a crash.
"""

from __future__ import annotations

import base64
import json
import resource
import time
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from mbp.cli import main as cli
from mbp.core.errors import MbpError
from mbp.ingest.cdc.debezium_records import Converter, read_json
from mbp.ingest.cdc.debezium_values import MOST_MILLISECONDS, RefusedRecordError, exact_text
from tests.python.ingest.cdc.test_landing import Place, place, quote

__all__ = ["place"]  # the fixture

SECONDS, MEBIBYTES = 20.0, 1024
DECIMAL = {"name": "org.apache.kafka.connect.data.Decimal", "field": "price"}
HUGE = "9" * (10 << 20)


def text(record: object) -> bytes:
    return json.dumps(record).encode()


def envelope(price: object, scale: object = "8", **source: object) -> bytes:
    """An insert with a schema, as `decimal.handling.mode=precise` writes it."""
    row = {key: value for key, value in quote("bad").items() if not key.startswith("__")}
    told = {"table": "quotes", "schema": "public", "lsn": 150, "ts_ms": 1795594249080, **source}
    after = {"field": "after", "fields": [{**DECIMAL, "parameters": {"scale": scale}}]}
    payload = {"op": "c", "before": None, "after": {**row, "price": price}, "source": told}
    return text({"schema": {"fields": [after]}, "payload": payload})


def unquoted(price: str) -> bytes:
    """A number as JSON writes it, which Python would not."""
    return text(quote("bad", 150, price="PRICE")).replace(b'"PRICE"', price.encode())


def number(digits: int) -> str:
    return base64.b64encode(b"\x7f" * digits).decode()


# Name -> (the record, the reason it is kept with).
BAD: dict[str, tuple[bytes, str]] = {
    "not JSON": (b'{"quote_id": ', "cannot be read as JSON"),
    "cut within a record": (text(quote("bad"))[:-20], "cannot be read as JSON"),
    "not UTF-8": (text(quote("bad")).replace(b"bad", b"b\xe4d"), "is not UTF-8"),
    "a byte order mark of UTF-16": (b"\xff\xfe" + text(quote("bad")), "is not UTF-8"),
    "a name twice": (b'{"quote_id": "other", ' + text(quote("bad"))[1:], "in one object twice"),
    "a name twice, within": (
        envelope("AA==").replace(b'"lsn"', b'"lsn": 1, "lsn"'),
        "in one object twice",
    ),
    "nested deeply": (b"[" * 200_000 + b"]" * 200_000, "is nested too deeply"),
    "nested deeply in a value": (
        text(quote("bad", market_id=0)).replace(
            b": 0", b": " + b'{"a":' * 90_000 + b"1" + b"}" * 90_000
        ),
        "is nested too deeply",
    ),
    "JSON in JSON, nested": (text("[" * 200_000), "a value in it is nested too deeply"),
    "a list": (b"[1, 2]", "not an object"),
    "a number": (b"17", "not an object"),
    "another object": (b'{"colour": "red"}', "not a record of Debezium"),
    "an unknown operation": (text(quote("bad", __op="x")), "its operation is not one of"),
    "an operation that is a list": (text(quote("bad", __op=["c"])), "its operation is not one of"),
    "no key": (text({k: v for k, v in quote().items() if k != "quote_id"}), "quote_id is not in"),
    "a null key": (text(quote("bad", quote_id=None)), "its key is null"),
    "a number for a text": (text(quote("bad", market_id=7)), "market_id is a number"),
    "a structure for a text": (text(quote("bad", market_id={"a": [1]})), "is a structure"),
    "a boolean for a number": (text(quote("bad", price=True)), "price is a boolean"),
    "a word for a number": (text(quote("bad", price="secret")), "neither a decimal number"),
    "a binary fraction": (text(quote("bad", price=0.5)), "binary fraction"),
    "a text for an instant": (
        text(quote("bad", quoted_at="secret")),
        "quoted_at is not an exact timestamptz|",
    ),
    "no operation": (
        text({k: v for k, v in quote("bad").items() if k != "__op"}),
        "__op is missing",
    ),
    "no position": (text(quote("bad", __source_lsn=None)), "__source_lsn or"),
    "a position beyond 63 bits": (text(quote("bad", 1 << 63)), "__source_lsn is not a number"),
    "a commit in the year 300000": (
        text(quote("bad", __source_ts_ms=MOST_MILLISECONDS + 1)),
        "__source_ts_ms is not a number",
    ),
    "a table that is not a name": (text(quote("bad", __table=["quotes"])), "__table is not a name"),
    "a table with a terminal's code": (
        text(quote("bad", __table="\x1b[2J")),
        "__table is not a name of a table",
    ),
    "half of a surrogate pair": (text(quote("bad", market_id="\ud800")), "has a character that"),
    "a NUL in a key": (text(quote("a\0b")), "quote_id has a character that"),
    "an exponent in text": (text(quote("bad", price="1e400000000")), "price has an exponent"),
    "an exponent of an exponent": (text(quote("bad", price="1e" + "9" * 900)), "has an exponent"),
    "an exponent as a number": (unquoted("1e400000000"), "binary fraction"),
    "an exponent in an envelope": (
        envelope("PRICE").replace(b'"PRICE"', b"1e400000000"),
        "price has an exponent",
    ),
    "not a number in an envelope": (envelope("PRICE").replace(b'"PRICE"', b"NaN"), "not a number"),
    "10 MiB of digits in text": (text(quote("bad", price=HUGE)), "price is longer than any"),
    "10 MiB of digits": (unquoted(HUGE), "cannot be read as JSON"),
    "10 MiB of digits and a fraction": (unquoted(f"{HUGE}.5"), "binary fraction"),
    "10 MiB of bytes": (
        envelope(base64.b64encode(b"\x7f" * (8 << 20)).decode()),
        "longer than any",
    ),
    "5,000 bytes": (envelope(number(700)), "price has too many bytes"),
    "a scale of 2^31": (envelope("fw==", str(2**31)), "price has a scale beyond"),
    "a scale of -2^31": (envelope("fw==", -(2**31)), "price has a scale beyond"),
    "a scale of many digits": (envelope("fw==", "9" * 5000), "price has a scale"),
    "a scale that is a word": (envelope("fw==", "secret"), "price has a scale that is no whole"),
    "no scale": (envelope("fw==", None), "price has a scale that is no whole"),
    "a variable scale": (
        text(quote("bad", price={"scale": 2**31, "value": "fw=="})),
        "price has a scale beyond",
    ),
    "a variable scale that is a list": (
        text(quote("bad", price={"scale": [1], "value": "fw=="})),
        "price has a scale that is no whole",
    ),
    "bytes that are no base64": (envelope("secret!"), "price is not base64"),
    "a row of the wrong form": (
        text({"op": "c", "after": [1], "source": {"table": "quotes", "lsn": 1, "ts_ms": 1}}),
        "it has no row",
    ),
    "a commit's microseconds as a text": (
        envelope("fw==", ts_us="x"),
        "source.ts_us is not a number",
    ),
    "a record of 33 MiB": (text(quote("bad", market_id="x" * (33 << 20))), "is longer than 32 MiB"),
    "an instant of the year 12026": (
        text(quote("bad", 151, quoted_at="12026-01-01T00:00:00Z")),
        "quoted_at is not an exact timestamptz|",
    ),
}
# Parts of bad records that no reason may repeat: they could be personal.
SECRET = ("secret", "99999", "other")


# These are seen where lines are read, and where rows are written.
LATER = ("is longer than 32", "timestamptz")


@pytest.mark.parametrize(
    "name", [name for name, (_, reason) in BAD.items() if not any(one in reason for one in LATER)]
)
def test_a_bad_record_is_refused_by_the_converter(name: str) -> None:
    """In bounded time, and never by another error than the one that makes it a dead letter."""
    columns = {
        "quotes": [
            ("quote_id", "text"),
            ("market_id", "text"),
            ("quoted_at", "timestamptz"),
            ("price", "decimal(18,8)"),
        ]
    }
    record, reason = BAD[name]
    started = time.process_time()
    with pytest.raises((RefusedRecordError, MbpError, ValueError)) as caught:
        Converter(columns).change(read_json(record.decode()), "quotes")
    assert time.process_time() - started < SECONDS
    if not isinstance(caught.value, UnicodeDecodeError):
        assert reason in str(caught.value)
        assert not any(part in str(caught.value) for part in SECRET)


def test_neighbours_land_and_the_bad_record_is_a_dead_letter(place: Place) -> None:
    lines = []
    for count, (record, _) in enumerate(BAD.values()):
        position = 1000 * (count + 1)
        lines += [
            text(quote(f"a{count}", position)),
            record,
            text(quote(f"z{count}", position + 1)),
        ]
    (place.folder / "quotes-1.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    before, started = _peak_mebibytes(), time.process_time()
    found = place.land()
    assert time.process_time() - started < SECONDS * 3
    assert _peak_mebibytes() - before < MEBIBYTES
    assert (found.files, found.waiting, found.left) == (1, len(BAD), [])
    assert found.problems == f"{len(BAD)} records in quarantine"
    landed = {row[0] for row in place.rows("select quote_id from raw_mbp.quotes")}
    assert landed == {f"{end}{count}" for end in "az" for count in range(len(BAD))}
    reasons = [str(row[0]) for row in place.rows("select reason from raw_mbp._cdc_dead_letters")]
    for count, (name, (_, wanted)) in enumerate(BAD.items()):
        if wanted.endswith("|"):  # seen when the row is written, which does not say its line
            assert wanted[:-1] in reasons, name
            continue
        line = f"quotes-1.jsonl:{3 * count + 2}: "
        assert any(one.startswith(line) and wanted in one for one in reasons), name
    assert not any(part in reason for reason in reasons for part in SECRET)
    again = place.land()
    assert (again.files, again.known, again.counts.changes) == (0, 1, 0)
    # Nothing new, and what is in quarantine is still not in the logs.
    assert again.problems == found.problems
    assert len(place.rows("select 1 from raw_mbp._cdc_dead_letters")) == len(BAD)


def _peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_a_file_that_is_cut_short_waits_and_the_others_land(place: Place) -> None:
    whole = text(quote("a", 1)) + b"\n" + text(quote("b", 2)) + b"\n"
    (place.folder / "1.jsonl").write_bytes(whole[:-30])
    place.put("2.jsonl", quote("c", 3))
    (place.folder / "3.parquet").write_bytes(b"PAR1 is not all of it")
    place.put("4.jsonl", quote("d", 4))
    with pytest.raises(MbpError, match=r"1\.jsonl:2: ends within a record"):
        place.land()
    assert place.rows("select quote_id from raw_mbp.quotes order by 1") == [("c",), ("d",)]
    assert any("3.parquet: cannot be read as Parquet" in one for one in place.said)
    assert "2 files could not be taken in; this is the first of them" in place.said
    (place.folder / "1.jsonl").write_bytes(whole)
    (place.folder / "3.parquet").unlink()
    assert place.land().problems == ""
    assert len(place.rows("select quote_id from raw_mbp.quotes")) == 4
    assert place.letters() == []


def test_one_record_of_another_setting_is_a_record_and_all_of_them_are_the_pipeline(
    place: Place,
) -> None:
    place.put("quotes-1.jsonl", quote("a", 1), quote("bad", 2, price=0.5))
    assert place.land().problems == "1 records in quarantine"
    place.put("quotes-2.jsonl", quote("b", 3, price=0.5), quote("c", 4, price=0.25))
    with pytest.raises(MbpError, match=r"decimal\.handling\.mode=string"):
        place.land()
    assert place.rows("select quote_id from raw_mbp.quotes") == [("a",)]
    assert len(place.letters()) == 1


def test_a_bad_row_of_parquet(place: Place) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [quote("a", 1), quote("far", 2), quote("z", 3)]
    for row in rows:
        row["market_id"] = "m"
    table = pa.Table.from_pylist(rows).drop_columns(["quoted_at", "market_id"])
    instants = pa.array([0, 2**62, 0], pa.timestamp("us", "UTC"))
    names = pa.array([b"m", b"m", b"\xff"], pa.binary()).view(pa.string())
    table = table.append_column("quoted_at", instants).append_column("market_id", names)
    pq.write_table(table, place.folder / "quotes.parquet")
    found = place.land()
    assert (found.counts.changes, found.waiting) == (1, 2)
    assert place.letters() == [
        ("quotes", "message", f"quotes.parquet:{row}: has a value that cannot be read")
        for row in (2, 3)
    ]
    assert place.land().known == 1


def test_the_command_ends_with_1(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBP_PROJECT_DIR", str(place.root))
    place.put("quotes-1.jsonl", quote("a", 1), quote("bad", 2, __op="x"))
    cli.register()
    for _ in range(2):
        result = CliRunner().invoke(
            cli.app,
            ["cdc", "land", str(place.folder), "--target", place.target, "--format", "json"],
        )
        assert result.exit_code == 1, result.output
        assert json.loads(result.stdout)["in_quarantine"] == 1


@pytest.mark.parametrize(
    "value",
    [Decimal("1e400000000"), Decimal("1e-400000000"), Decimal("Infinity"), Decimal("sNaN")],
)
def test_decimals_beyond_any_column_are_refused(value: Decimal) -> None:
    with pytest.raises(RefusedRecordError, match="price"):
        exact_text(value, "decimal(18,8)", "price", None)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("1E-8", "0.00000001"), ("1.5e3", "1500"), ("-2", "-2"), (Decimal("1E+2"), "100")],
)
def test_decimals_of_a_usual_size_are_exact(value: object, wanted: str) -> None:
    assert exact_text(value, "decimal(18,8)", "price", None) == wanted
