"""Scenarios in which what has to be read is unusual: another shape, a very large transaction, a lost slot."""

from __future__ import annotations

import time

from ruamel.yaml import YAML

from lab.drill import market
from lab.drill.played import Options, Played, Scenario, alive
from lab.drill.scenario_servers import ScenarioServers, wait_for
from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_PASS, MbpError

CONTRACT = "contracts/a106/mbp_resolutions.odcs.yaml"
# The source keeps no more log than this for its slots; a segment has 16 MiB, so a few are enough to lose one.
KEEP = "1MB"
SEGMENTS = 20
KEPT, CHANGED, GONE, NEW = 300, 40, 30, 50


def schema_drift(stage: ScenarioServers, _: Options) -> Played:
    """A new column, a renamed one that the source takes back, and a retyped one that the contract accepts."""
    problems: tuple[str, ...] = ()
    with stage.reader() as process:
        stage.execute(market.quotes(1, 200), market.row("resolutions", "r-1", 1))
        stage.caught_up()
        stage.execute("alter table markets add column mood text", market.row("markets", "moody", 1))
        stage.caught_up()
        fault = time.monotonic()
        stage.execute(
            "alter table quotes rename column price to prize",
            market.quotes(2_000_000, 100).replace("price", "prize"),
            "alter table resolutions alter column source_ref type bigint using 1",
            "insert into resolutions (resolution_id, source_ref) values ('r-2', 2)",
            "delete from resolutions where resolution_id = 'r-1'",
        )
        noticed = stage.noticed("data_contract_break: quotes.price", fault)
        wait_for(lambda: _stopped(stage) == ["quotes", "resolutions"], "two tables are stopped")
        others = stage.caught_up()
        if stage.number("select count(*) from raw_mbp.quotes where quote_id like 'q-2______'"):
            problems += ("rows of a broken shape are in the log",)
        # Fixed at the source: what was sent in between has the wrong shape, the table is copied again.
        stage.execute(
            "alter table quotes rename column prize to price",
            "update quotes set price = 0.5 where quote_id = 'q-7'",
            "delete from quotes where quote_id = 'q-8'",
        )
        problems += alive(process)
    fixed = time.monotonic()
    problems += _demand(stage, EXIT_PASS, "resnapshot", "--table", "quotes")
    # Fixed in the contract: the source wrote all rows again, and no change in the log says what they became.
    _accept_numbers(stage)
    problems += _demand(stage, EXIT_PASS, "resnapshot", "--table", "resolutions")
    with stage.reader() as process:
        stage.caught_up()
        seconds = time.monotonic() - fixed
        if _stopped(stage):
            problems += (f"{', '.join(_stopped(stage))} is still stopped",)
        problems += alive(process)
    if not _events(stage, "drift", "markets"):
        problems += ("the new column is no event",)
    if any(_events(stage, "reconciled", table) != 1 for table in ("quotes", "resolutions")):
        problems += ("a resnapshot left no event",)
    note = f"two tables stopped, the others went on ({others:.1f} s behind); source-side and contract-side fix"
    return Played(noticed, "the reader: data_contract_break", seconds, note, problems)


def large_transaction(stage: ScenarioServers, options: Options) -> Played:
    """One transaction of very many rows, under load; it is visible as a whole or not at all."""
    seen: set[int] = set()

    def whole() -> bool:
        count = stage.number("select count(*) from raw_mbp.quotes where quote_id like 'q-3______'")
        seen.add(count)
        return count >= options.rows

    with stage.reader() as process, stage.load():
        stage.caught_up()
        begun = time.monotonic()
        stage.execute(market.quotes(3_000_000, options.rows))
        committed = time.monotonic()
        wait_for(whole, "the transaction is in the warehouse", tail=stage.tail)
        arrived = time.monotonic()
        seconds = stage.caught_up()
        problems = alive(process)
    problems += _demand(stage, EXIT_PASS, "run", "--once")
    if not seen <= {0, options.rows}:
        problems += (f"a part of the transaction was visible: {sorted(seen)} rows",)
    note = (
        f"{options.rows:,} rows, {committed - begun:.0f} s at the source, in the warehouse"
        f" {arrived - committed:.1f} s after its commit"
    )
    return Played(None, "", seconds, note, problems)


def slot_invalidated(stage: ScenarioServers, options: Options) -> Played:
    """The reader was away for too long, and the source threw its log away."""
    del options
    stage.execute(market.quotes(1, KEPT + CHANGED + GONE))
    with stage.reader():
        stage.caught_up()
    stage.execute(
        f"alter system set max_slot_wal_keep_size = '{KEEP}'",
        "select pg_reload_conf()",
        f"update quotes set volume = volume + 1 where volume <= {CHANGED}",
        f"delete from quotes where volume > {KEPT + CHANGED}",
        market.quotes(4_000_000, NEW),
    )
    for _ in range(SEGMENTS):
        stage.execute("select pg_switch_wal()", market.row("markets", "m", 1), "checkpoint")
        if (stage.slot() or {}).get("wal_status") == "lost":
            break
    else:
        raise MbpError("the source did not lose the slot", fix="check max_slot_wal_keep_size")
    lost = time.monotonic()
    problems = _demand(stage, EXIT_COULD_NOT_RUN, "run", "--once")
    noticed = stage.heard("mbp cdc resnapshot", lost)
    if noticed is None:
        problems += ("the reader did not name the fix",)
    stage.execute("alter system reset max_slot_wal_keep_size", "select pg_reload_conf()")
    fixed = time.monotonic()
    problems += _demand(stage, EXIT_PASS, "resnapshot")
    with stage.reader():
        stage.caught_up()
    seconds = time.monotonic() - fixed
    results = {
        operation: stage.number(
            "select count(*) from raw_mbp.quotes where __source_lsn = (select max(position)"
            " from raw_mbp._cdc_events where kind = 'reconciled' and table_name = 'quotes')"
            f" and __op = '{operation}'"
        )
        for operation in "rd"
    }
    if results != {"r": CHANGED + NEW, "d": GONE}:
        problems += (f"written again {results}, expected {CHANGED + NEW} r and {GONE} d",)
    note = f"slot lost; copied again: {results['r']} rows new or other, {results['d']} removed, nothing else written"
    return Played(
        noticed, f"the reader: exit {EXIT_COULD_NOT_RUN} and the fix", seconds, note, problems
    )


SCENARIOS = (
    Scenario(
        "schema_drift",
        "The source changes its schema: one more column, one renamed, one retyped.",
        schema_drift,
    ),
    Scenario("large_transaction", "One transaction of a million rows.", large_transaction),
    Scenario("slot_invalidated", "The slot is lost; the state is copied again.", slot_invalidated),
)


def _demand(stage: ScenarioServers, expected: int, *command: str) -> tuple[str, ...]:
    code = stage.command(*command)
    if code == expected:
        return ()
    return (f"`mbp cdc {' '.join(command)}` ended with {code}, not {expected}: {stage.tail()}",)


def _stopped(stage: ScenarioServers) -> list[str]:
    return [row[0] for row in stage.rows("select table_name from raw_mbp._cdc_streams order by 1")]


def _events(stage: ScenarioServers, kind: str, table: str) -> int:
    return stage.number(
        f"select count(*) from raw_mbp._cdc_events where kind = '{kind}' and table_name = '{table}'"
    )


def _accept_numbers(stage: ScenarioServers) -> None:
    """The contract of the resolutions, with numbers for what they refer to."""
    yaml = YAML(typ="rt")
    path = stage.root / CONTRACT
    document = yaml.load(path.read_text(encoding="utf-8"))
    properties = document["schema"][0]["properties"]
    (column,) = [entry for entry in properties if entry["name"] == "source_ref"]
    column["logicalType"], column["physicalType"] = "integer", "bigint"
    del column["logicalTypeOptions"]
    column.pop("customProperties", None)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)
