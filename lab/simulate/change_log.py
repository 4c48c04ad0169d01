"""Commit times, log positions and arrivals: how a change at the source reaches the warehouse.

Changes committed before the stream began come in one snapshot (`r`): one row per key, one commit
time, one log position. Streamed positions grow with the commit time over all tables and markets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lab.simulate import encode, schema
from lab.simulate.parameters import MINUTE, SECOND, Parameters

Integers = NDArray[np.int64]

FIRST_POSITION = 16_777_216
# Slots of a market, below eight.
QUOTE, QUOTE_REVISION, MARKET, RESOLUTION, ABUSE_EVENT, TRADE = range(6)
OPERATIONS = ("r", "c", "u", "d")
READ, CREATED, UPDATED, DELETED = range(4)
SLOW_SHARE = 0.01
QUOTES_REDELIVERED = 0.002
ROWS_REDELIVERED = 0.03
PUNCTUAL_BEFORE_END = 10 * MINUTE  # the end of the data is the end of the quotes, not of a late row


def positions(parameters: Parameters, commit: Integers, market: Integers, slot: int) -> Integers:
    """Log positions of changes committed at `commit`; unique over tables and markets."""
    offset = np.maximum(commit - parameters.start_us, 0)
    streamed = commit >= parameters.start_us
    position = (
        FIRST_POSITION + (offset + 1) * parameters.positions_per_microsecond + market * 8 + slot
    )
    return np.where(streamed, position, FIRST_POSITION)


def arrivals(parameters: Parameters, commit: Integers, random: np.random.Generator) -> Integers:
    """Arrival in the warehouse: about a second after the commit, one in a hundred much later."""
    rows = len(commit)
    lag = 0.4 + 0.8 * random.standard_exponential(rows)
    slow = random.random(rows) < SLOW_SHARE
    late = 15.0 * random.standard_exponential(rows)
    early_enough = commit < parameters.end_us - PUNCTUAL_BEFORE_END
    lag = lag + np.where(slow & early_enough, np.minimum(late, 90.0), 0.0)
    return np.maximum(commit, parameters.start_us) + (np.minimum(lag, 95.0) * SECOND).astype(
        np.int64
    )


def redelivered(
    parameters: Parameters, commit: Integers, share: float, random: np.random.Generator
) -> tuple[NDArray[np.intp], Integers]:
    """Which rows arrive a second time, and how much later than the first time."""
    again = (random.random(len(commit)) < share) & (
        commit < parameters.end_us - PUNCTUAL_BEFORE_END
    )
    later = ((20 + 180 * random.random(len(commit))) * SECOND).astype(np.int64)
    chosen = np.flatnonzero(again)
    return chosen, later[chosen]


def columns(records: NDArray[np.void], operation: Integers) -> tuple[pa.Array, ...]:
    """What the log adds to the columns of a table, from records of whole numbers."""
    return (
        encode.chosen(operation, OPERATIONS),
        encode.chosen((operation == DELETED).astype(np.int64), ("false", "true")),
        pa.array(records["commit"] // 1000),
        pa.array(np.ascontiguousarray(records["position"])),
        encode.instants(records["loaded"]),
    )


def small_log(
    parameters: Parameters,
    table: str,
    slot: int,
    changes: Iterable[Mapping[str, Any]],
    random: np.random.Generator,
) -> pa.Table:
    """The change log of a small table, in the order of arrival.

    Args:
        changes: per change its columns (instants as microseconds, amounts as units of 1e-8), and
            `market` (number), `commit` (microseconds), `operation` (c, u or d).
    """
    ordered = sorted(changes, key=lambda change: (change["commit"], change["market"]))
    key = schema.KEYS[table]
    start = parameters.start_us
    in_snapshot: dict[Any, Mapping[str, Any]] = {
        change[key]: change
        for change in ordered
        if change["commit"] < start and change["operation"] != "d"
    }
    kept = [*in_snapshot.values(), *(change for change in ordered if change["commit"] >= start)]
    commit = np.array([change["commit"] for change in kept], dtype=np.int64)
    market = np.array([change["market"] for change in kept], dtype=np.int64)
    loaded = arrivals(parameters, commit, random)
    again, later = redelivered(parameters, commit, ROWS_REDELIVERED, random)
    order = np.concatenate([np.arange(len(kept)), again])
    loaded = np.concatenate([loaded, loaded[again] + later])
    position = positions(parameters, commit, market, slot)[order]
    by_arrival = np.lexsort((position, loaded))
    order, loaded, position = order[by_arrival], loaded[by_arrival], position[by_arrival]
    rows = [kept[index] for index in order.tolist()]
    operation = ["r" if row["commit"] < start else row["operation"] for row in rows]
    columns: dict[str, Any] = {
        "__op": operation,
        "__deleted": ["true" if op == "d" else "false" for op in operation],
        "__source_ts_ms": np.maximum(commit[order], start) // 1000,
        "__source_lsn": position,
        "_loaded_at": pa.array(loaded).cast(schema.INSTANT),
    }
    types = schema.SCHEMAS[table]
    arrays = []
    for column in types:
        values = columns.get(column.name)
        if values is None:
            values = column_of([row[column.name] for row in rows], column.type)
        elif not isinstance(values, pa.Array):
            values = pa.array(values, type=column.type)
        arrays.append(values)
    return pa.table(arrays, schema=types)


def column_of(values: list[Any], kind: pa.DataType) -> pa.Array:
    """A typed column: instants from microseconds, decimals from units of the last place."""
    if pa.types.is_decimal(kind):
        whole = pa.array(values, type=pa.int64()).cast(pa.decimal128(19, 0))
        # The same digits with the point moved: a change of the type, not of the bits.
        return pa.Array.from_buffers(kind, len(values), whole.buffers())
    if pa.types.is_timestamp(kind):
        return pa.array(values, type=pa.int64()).cast(kind)
    return pa.array(values, type=kind)
