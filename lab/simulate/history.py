"""The whole history: groups of markets one after the other, then every table in arrival order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from lab.simulate import change_log, quotes, schema, trades
from lab.simulate.group import simulate_group
from lab.simulate.lifecycle import Change, SimulatedDecision, lifecycle_of_group, unquoted_markets
from lab.simulate.market_plan import make_plan
from lab.simulate.parameters import ROWS_PER_GROUP, Parameters
from lab.simulate.raw_world import RawWorld
from lab.simulate.spool import Spool
from lab.simulate.telemetry import telemetry

LARGE = {"mbp.quotes": quotes, "mbp.trades": trades}
Progress = Callable[[str, int, int], None]  # phase, done, of


def silent(_phase: str, _done: int, _of: int) -> None:
    """Progress for those who do not watch."""


def generate(parameters: Parameters) -> RawWorld:
    """The whole simulation in memory, for sizes of a sample."""
    chunks: dict[str, list[pa.Table]] = {name: [] for name in schema.TABLES}
    for table, chunk in stream(parameters):
        chunks[table].append(chunk)
    return RawWorld(
        {name: pa.concat_tables(parts).combine_chunks() for name, parts in chunks.items()}
    )


def stream(
    parameters: Parameters, progress: Progress = silent, scratch: Path | None = None
) -> Iterator[tuple[str, pa.Table]]:
    """Chunks (table name, rows) of all tables; the chunks of a table follow each other in the
    order of arrival, tables of one family do not mix.

    Args:
        progress: receives the phase and how many quotes of how many are done.
        scratch: folder for what does not fit into memory; the system's one when not given.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".spool-") as folder:
        spools = {
            name: Spool(module.RECORD, Path(tempfile.mkdtemp(dir=folder)))
            for name, module in LARGE.items()
        }
        small: dict[str, list[Change]] = {
            "mbp.markets": [],
            "mbp.resolutions": [],
            "mbp.abuse_events": [],
        }
        decisions: list[SimulatedDecision] = []
        plan = make_plan(parameters)
        size = max(1, ROWS_PER_GROUP // int(plan.quotes.max()))
        groups = range(0, parameters.markets, size)
        for number, first in enumerate(groups):
            markets = slice(first, min(first + size, parameters.markets))
            random = parameters.stream("group", number)
            group = simulate_group(parameters, plan, markets, random)
            log, quoted = quotes.log_of_group(group, random)
            spools["mbp.quotes"].add(log)
            traded = trades.log_of_group(group, quoted, parameters.stream("trades", number))
            spools["mbp.trades"].add(traded)
            lifecycle = lifecycle_of_group(group, random)
            small["mbp.markets"] += lifecycle.markets
            small["mbp.resolutions"] += lifecycle.resolutions
            small["mbp.abuse_events"] += lifecycle.abuse_events
            decisions += lifecycle.decisions
            progress("simulate", int(plan.quotes[: markets.stop].sum()), parameters.quotes)
        unquoted = unquoted_markets(parameters, parameters.stream("unquoted"))
        small["mbp.markets"] += unquoted.markets
        decisions += unquoted.decisions
        slots = (change_log.MARKET, change_log.RESOLUTION, change_log.ABUSE_EVENT)
        for (table, changes), slot in zip(small.items(), slots, strict=True):
            random = parameters.stream(table)
            yield table, change_log.small_log(parameters, table, slot, changes, random)
            changes.clear()
        written, rows = 0, sum(spool.rows for spool in spools.values())
        for table, spool in spools.items():
            for records in spool.in_order():
                yield table, LARGE[table].columns(parameters, records)
                written += len(records)
                progress("write", written, rows)
    for table in (name for name in schema.KEYS if name not in {*small, *spools}):
        yield table, schema.committed_rows(table)
    yield from telemetry(parameters, decisions)
