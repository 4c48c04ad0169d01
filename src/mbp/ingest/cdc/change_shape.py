"""From a change of the source to a row of the raw change log, in Debezium's flattened shape; as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mbp.contracts.raw_columns import CHANGE_LOG, SOURCE
from mbp.contracts.reading import engine_types
from mbp.core.errors import MbpError
from mbp.ingest.cdc.pgoutput import UNCHANGED, RowChange, TableShape, Value
from mbp.ingest.raw_tables import raw_tables

# The stream names a type by its object identifier, which is the same in every release of PostgreSQL.
TYPES = {
    **{16: "boolean", 20: "bigint", 23: "integer", 25: "text", 1042: "character"},
    **{1043: "character varying", 1184: "timestamp with time zone", 1700: "numeric"},
}
# Type of a contract on PostgreSQL -> other types of a source whose values it holds without loss.
NARROWER = {
    "text": ("character varying", "character"),
    "numeric": ("integer", "bigint"),
    "bigint": ("integer",),
}
FIRST_CUSTOM_TYPE = 16384  # of this database alone: enums among them
BREAK = "data_contract_break"
# At the end of a reason for which a table is stopped: its parked changes do not lead to the state of the source.
NEEDS_COPY = "only `mbp cdc resnapshot` knows its state"
CHARACTER = 1042  # char(n), whose padding PostgreSQL takes for nothing
IDENTITIES = {"d": "default", "n": "nothing", "i": "using index"}


def own_columns(columns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The columns of a raw table that come from the source."""
    return list(columns[: -len(CHANGE_LOG)])


def demand_fit(relation: TableShape, columns: Sequence[tuple[str, str]]) -> list[str]:
    """Columns that the source has and the contract has not: drift, but nothing is wrong with the rows.

    Raises:
        MbpError: a contracted column was removed, renamed or retyped, or old rows are not sent whole.
    """
    there = {name: kind for name, kind, _ in relation.columns}
    fix = f"action {BREAK}: fix the source or change the contract; the position is kept"
    for name, kind in columns:
        if name not in there:
            raise MbpError(f"{relation.name}.{name} is missing in the source", fix=fix)
        contracted = engine_types(kind).get("postgres", kind).partition("(")[0]
        fits = (contracted, *NARROWER.get(contracted, ()))
        enumerated = contracted == "text" and there[name] >= FIRST_CUSTOM_TYPE
        if TYPES.get(there[name]) not in fits and not enumerated:
            expected = " or ".join(fits)
            what = f"{relation.name}.{name} has another type at the source; expected {expected}"
            raise MbpError(what, fix=fix)
    if relation.identity != "f":
        raise MbpError(
            f"{relation.name} does not send old rows whole: its replica identity is"
            f" {IDENTITIES.get(relation.identity, relation.identity)}",
            fix=f"alter table {relation.schema}.{relation.name} replica identity full at the source",
        )
    return sorted(there.keys() - {name for name, _ in columns})


def places_of(relation: TableShape, columns: Sequence[tuple[str, str]]) -> list[int]:
    """The place of each contracted column in a row of the source."""
    places = {name: place for place, (name, _, _) in enumerate(relation.columns)}
    return [places[name] for name, _ in columns]


def padded_of(relation: TableShape) -> frozenset[int]:
    """The places of the columns of type char(n)."""
    return frozenset(
        place for place, (_, kind, _) in enumerate(relation.columns) if kind == CHARACTER
    )


def trimmed(change: RowChange, padded: frozenset[int]) -> RowChange:
    """The change without the padding of char(n): as the snapshot, and comparisons of PostgreSQL, have it."""
    if not padded:
        return change
    old, new = (
        row
        and tuple(
            value.rstrip(" ") if place in padded and isinstance(value, str) else value
            for place, value in enumerate(row)
        )
        for row in (change.old, change.new)
    )
    return change._replace(old=old, new=new)


def rows_of(
    change: RowChange, places: Sequence[int], milliseconds: str, position: int
) -> list[list[Value]]:
    """The rows of a change: one, or two when an update gave its row another key: the old key is then deleted.

    Both have one position; nothing else in the log says that the old key was removed.

    Raises:
        MbpError: as `row_of`.
    """
    rows = [row_of(change, places, milliseconds, position)]
    if change.kind == "u" and change.old is not None:
        before, after = change.old[places[0]], rows[0][0]
        if before is not None and before is not UNCHANGED and before != after:
            rows.insert(
                0,
                row_of(
                    RowChange("d", change.relation_id, change.old, None),
                    places,
                    milliseconds,
                    position,
                ),
            )
    return rows


def row_of(
    change: RowChange, places: Sequence[int], milliseconds: str, position: int
) -> list[Value]:
    """One row, without its arrival, which is stamped when it is written.

    Args:
        places: of `places_of`.
        milliseconds: Unix time of the commit.

    Raises:
        MbpError: a value was not sent, and neither was the old row that holds it.
    """
    new = change.new or change.old or ()
    own = [new[place] for place in places]
    if UNCHANGED in own:
        old = change.old
        own = [
            old[place] if value is UNCHANGED and old is not None else value
            for place, value in zip(places, own, strict=True)
        ]
        if UNCHANGED in own:
            raise MbpError(
                "a large value was not sent with an update, and the old row was not either",
                fix="replica identity full at the source",
            )
    own += (change.kind, "true" if change.kind == "d" else "false", milliseconds, str(position))
    return own


def snapshot_row(
    values: Sequence[str | None], position: int, milliseconds: int
) -> list[str | None]:
    """A row of the snapshot; it was not streamed, so its operation is 'r'."""
    return [*values, "r", "false", str(milliseconds), str(position)]


def before(position: int) -> int:
    """The LSN of rows of a snapshot: before the one where its stream begins.

    The first change of the stream may have exactly that one, and of two records in one position it is unknown which
    is the later one. PostgreSQL aligns its positions, so nothing of the stream can be one before.
    """
    return position - 1


def arrival() -> str:
    """Now, as the warehouse's clock has it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def heartbeat_rows(
    tables: Iterable[str], position: int, committed_at_microseconds: int
) -> list[list[str]]:
    """One heartbeat per table; it took the way that a change of that table takes."""
    seconds, rest = divmod(committed_at_microseconds, 1_000_000)
    emitted = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).isoformat()
    return [[f"{position}-{name}", name, emitted] for name in tables]


def by_name(tables: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, list[tuple[str, str]]]:
    """Source table -> the columns that are taken from it, the key first."""
    return {
        name.removeprefix(f"{SOURCE}."): own_columns(columns)
        for name, columns in tables.items()
        if name.startswith(f"{SOURCE}.")
    }


def captured_tables(root: Path) -> tuple[str, ...]:
    """The tables at the source whose changes are captured.

    Raises:
        MbpError: the contracts cannot be read.
    """
    return tuple(by_name(raw_tables(root)))


def one_of(tables: Sequence[str], name: str) -> str:
    """Raises:
    MbpError: a table that is not captured.
    """
    if name not in tables:
        raise MbpError(f"no table {name!r} is captured", fix=f"use one of {', '.join(tables)}")
    return name
