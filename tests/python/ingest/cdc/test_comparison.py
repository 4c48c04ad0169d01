"""`mbp cdc reconcile` says equal exactly when the tables are equal, and names what is not, without showing a key."""

from __future__ import annotations

import json
import random
import threading
import time

import pytest
from typer.testing import CliRunner

from mbp.cli import main as cli
from mbp.core.errors import MbpError
from mbp.core.masking import mask
from mbp.ingest.cdc import comparison
from mbp.ingest.cdc.comparison import ComparedTable, compare
from mbp.runs.dbt_process import environment
from tests.python.ingest.cdc import market
from tests.python.ingest.cdc.conftest import Pair

ROWS = 120
KEPT = "raw_mbp.kept_quotes"
VALUES = {
    "market_id": ["null", "''", "'mkt-1'", "'\"'", "',\"\",'", "'é'"],
    "quoted_at": ["null", "timestamptz '2026-01-05 00:00:01.123457+00'"],
    "price": ["null", "0.12345679", "-0.12345678", "0"],
    "volume": ["null", "1", "12345"],
}


def compared(pair: Pair, table: str = "quotes") -> ComparedTable:
    return compare(pair.root, pair.target, pair.source, [table], lambda _: None)[0]


def named(table: ComparedTable) -> dict[str, str]:
    return {
        key: kind
        for difference in table.differences
        for key, kind in (difference.keys or {}).items()
    }


def rows(pair: Pair) -> dict[str, tuple[object, ...]]:
    """Each key is once in this log."""
    return {row[0]: row[1:7] for row in pair.rows("select * from raw_mbp.quotes")}


def mutation(chance: random.Random) -> str:
    key = f"'q-{chance.randrange(1, ROWS + 1)}'"
    column = chance.choice(sorted(VALUES))
    return chance.choice(
        [
            f"delete from raw_mbp.quotes where quote_id = {key}",
            f"update raw_mbp.quotes set quote_id = quote_id || ' ' where quote_id = {key}",
            f"update raw_mbp.quotes set __op = 'd' where quote_id = {key}",
            f"insert into raw_mbp.quotes (quote_id, __op, __source_lsn) values ('q-0{key[1:]}, 'c', 5)".replace(
                "q-0q-", "q-0"
            ),
            f"update raw_mbp.quotes set {column} = {chance.choice(VALUES[column])} where quote_id = {key}",
            f"update raw_mbp.quotes set price = twap_5m, twap_5m = price where quote_id = {key}",
        ]
    )


def test_equal_is_said_exactly_when_the_tables_are_equal(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "RANGE_ROWS", 25)
    monkeypatch.setattr(comparison, "DETAILED", 10)
    pair.execute(
        # Other types that the contract's hold.
        "alter table quotes alter column volume type integer using volume::integer",
        "alter table quotes alter column price type numeric",
        "alter table quotes alter column quote_id type char(20)",
        market.quotes(1, ROWS),
        "update quotes set market_id = null, price = null where volume = 2",
        "update quotes set market_id = '' where volume = 3",
        'update quotes set market_id = \'a"","\' || chr(10) || chr(233) where volume = 4',
        "update quotes set quoted_at = timestamptz '1969-12-31 23:59:59.999999+00' where volume = 5",
        "update quotes set twap_5m = 0.2",
    )
    pair.read()
    first = compared(pair)
    assert (first.source_rows, first.warehouse_rows, first.ranges) == (ROWS, ROWS, 5)
    assert first.differences == ()
    source, chance = rows(pair), random.Random(26)  # noqa: S311
    pair.at_warehouse(f"create table {KEPT} as select * from raw_mbp.quotes")
    seen = set()
    for _ in range(8):
        for _ in range(chance.choice([1, 1, 2])):
            pair.at_warehouse(mutation(chance))
        deleted = {
            row[0] for row in pair.rows("select quote_id from raw_mbp.quotes where __op = 'd'")
        }
        there = {key: row for key, row in rows(pair).items() if key not in deleted}
        expected = {
            key: "missing" if key not in there else "extra" if key not in source else "other"
            for key in source.keys() | there.keys()
            if source.get(key) != there.get(key)
        }
        assert named(compared(pair)) == expected
        seen |= set(expected.values()) or {"equal"}
        pair.at_warehouse("delete from raw_mbp.quotes")
        pair.at_warehouse(f"insert into raw_mbp.quotes select * from {KEPT}")
    assert seen >= {"missing", "extra", "other"}
    pair.at_warehouse(f"drop table {KEPT}")
    # The last change of the source is compared too, which no reader has read yet.
    pair.execute("update quotes set volume = 7 where quote_id = 'q-9'", market.quotes(500, 1))
    again = compared(pair)
    assert (again.source_rows, again.differences) == (ROWS + 1, ())
    # A value that the contract cannot hold waits in quarantine, and its row differs.
    pair.execute("update quotes set price = 'NaN' where quote_id = 'q-10'")
    last = compared(pair)
    assert (named(last), last.letters) == ({"q-10": "other"}, 1)


@pytest.mark.parametrize("pair", ["postgres"], indirect=True)
def test_a_running_reader_under_load_is_equal(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "RANGE_ROWS", 100)
    pair.execute(market.quotes(1000, 500))
    pair.read()
    ended, reader = threading.Event(), pair.reader()
    reader.stopping = ended.is_set

    def load() -> None:
        seed = 0
        while not ended.is_set():
            pair.execute(*market.changes(seed, 5))
            seed += 1
            time.sleep(0.01)

    threads = [
        threading.Thread(target=load),
        threading.Thread(target=reader.run, kwargs={"once": False}),
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            table = compared(pair)
            assert table.differences == ()
            assert table.source_rows >= 500
            assert table.moving > 0
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("pair", ["postgres"], indirect=True)
def test_a_table_that_does_not_fit_is_not_compared_and_says_so(pair: Pair) -> None:
    pair.execute(market.quotes(1, 3))
    with pytest.raises(MbpError, match="the source has no slot mbp_cdc"):
        compared(pair)
    pair.read()
    pair.execute("alter table quotes rename column price to prize", "delete from quotes")
    assert compared(pair).problem == "quotes.price is missing in the source"
    pair.execute("alter table quotes rename column prize to price")
    table = compared(pair)
    assert table.problem.startswith("it is stopped: data_contract_break")
    (finding,) = comparison.findings(table, mask)
    assert finding.not_measured
    pair.reader().run(once=True, anew=["quotes"])
    assert compared(pair).differences == ()


@pytest.mark.parametrize("pair", ["postgres"], indirect=True)
def test_the_command_names_table_range_and_masked_keys(pair: Pair) -> None:
    pair.execute(market.quotes(1, 30))
    pair.read()
    variables = {
        name: value for name, value in pair.program_environment().items() if "SOURCE" in name
    }
    arguments = ["cdc", "reconcile", "--target", pair.target, "--table", "quotes"]
    with environment(variables):
        outcome = CliRunner().invoke(cli.app, arguments)
        assert outcome.exit_code == 0, outcome.output
        assert "1 table checked, 0 errors" in outcome.output
        pair.at_warehouse("delete from raw_mbp.quotes where quote_id = 'q-7'")
        pair.at_warehouse("update raw_mbp.quotes set volume = 0 where quote_id in ('q-8', 'q-9')")
        outcome = CliRunner().invoke(cli.app, [*arguments, "--format", "json"])
        assert outcome.exit_code == 1, outcome.output
        report = json.loads(outcome.stdout)
    ((table,), (finding,)) = report["tables"], report["findings"]
    assert (table["source_rows"], table["warehouse_rows"]) == (30, 29)
    assert finding["subject"] == "quotes"
    assert "range 1 of 1" in finding["message"]
    assert "1 missing in the warehouse, 2 with other values" in finding["message"]
    assert all(str(mask(key)) in finding["message"] for key in ("q-7", "q-8", "q-9"))
    assert "q-7" not in outcome.output
    with environment({**variables, "MBP_SOURCE_DATABASE": "nowhere"}):
        assert isinstance(CliRunner().invoke(cli.app, arguments).exception, MbpError)
