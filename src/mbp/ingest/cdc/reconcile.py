"""What a change log adds up to, and the changes that make it add up to something else.

A log is only ever added to. Emptying a table, and a snapshot over a log that has rows already, therefore become
changes: the deletes and rows that lie between what the log says and what is. SQL gives a row the same hash at the
source and in a warehouse, whatever engine, encoding and declared type. Keys are compared as the bytes of UTF-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mbp.ingest.cdc.exact import DECIMAL
from mbp.ingest.cdc.source_tables import SourceTable
from mbp.warehouse import Warehouse, quote_identifier

STAGED = "mbp_cdc_staged"
# Of a staged row: it has its values, not only its key.
FITS = "mbp_cdc_fits"
NUMERIC = 1700


def live(table: str, columns: Sequence[tuple[str, str]], up_to: str) -> str:
    """SQL of the rows that are there by the log of a table: the newest change per key, unless it deleted.

    Args:
        table: 'mbp.quotes'.
        columns: those of the source; the first is the key.
        up_to: a number or a parameter; changes at or after this position do not count.
    """
    listed, key = names(columns), quote_identifier(columns[0][0])
    return (
        f"select {listed} from (select {listed}, __op, row_number() over (partition by {key}"
        f" order by __source_lsn desc, _loaded_at desc) as place from raw_{table}"
        f" where __source_lsn < {up_to}) as newest where place = 1 and __op <> 'd'"
    )


def emptied(
    warehouse: Warehouse,
    table: str,
    columns: Sequence[tuple[str, str]],
    position: int,
    milliseconds: int,
    arrival: str,
) -> None:
    """Adds a delete at `position` for every row that was there before it. Running it again adds nothing."""
    listed = names(columns)
    warehouse.execute(
        f"insert into raw_{table} ({listed}, __op, __deleted, __source_ts_ms, __source_lsn, _loaded_at)"
        f" select {listed}, 'd', 'true', {int(milliseconds)}, {int(position)}, timestamptz '{arrival}'"
        f" from ({live(table, columns, str(int(position)))}) as gone where not exists ("
        f"select 1 from raw_{table} as made where made.__source_lsn = {int(position)}"
        f" and made.{_key(columns)} = gone.{_key(columns)})"
    )


def stage(warehouse: Warehouse, columns: Sequence[tuple[str, str]]) -> str:
    """Makes an empty temporary table for the rows of a snapshot; its name."""
    inner = ", ".join(f"{quote_identifier(name)} {kind}" for name, kind in columns)
    warehouse.execute(f"drop table if exists {STAGED}")
    warehouse.execute(f"create temporary table {STAGED} ({inner}, {FITS} boolean)")
    return STAGED


def differences(
    warehouse: Warehouse,
    table: str,
    columns: Sequence[tuple[str, str]],
    position: int,
    milliseconds: int,
    arrival: str,
) -> tuple[int, int]:
    """Adds the difference between log and staged snapshot: (rows new or other, rows removed)."""
    listed, key = names(columns), _key(columns)
    text = "(select 1 from raw_{0} where __source_lsn = {1} and __op = '{2}')"
    there = live(table, columns, str(int(position)))
    differ = " or ".join(
        f"had.{quote_identifier(name)} is distinct from staged.{quote_identifier(name)}"
        for name, _ in columns
    )
    head = f"insert into raw_{table} ({listed}, __op, __deleted, __source_ts_ms, __source_lsn, _loaded_at)"
    tail = f"{int(milliseconds)}, {int(position)}, timestamptz '{arrival}'"
    gone = ", ".join(f"had.{quote_identifier(name)}" for name, _ in columns)
    new = ", ".join(f"staged.{quote_identifier(name)}" for name, _ in columns)
    # The deletes first: they are read from the log as it was.
    warehouse.execute(
        f"{head} select {gone}, 'd', 'true', {tail} from ({there}) as had"
        f" left join {STAGED} as staged on staged.{key} = had.{key} where staged.{key} is null"
    )
    warehouse.execute(
        f"{head} select {new}, 'r', 'false', {tail} from {STAGED} as staged"
        f" left join ({there}) as had on had.{key} = staged.{key}"
        f" where staged.{FITS} and (had.{key} is null or {differ})"
    )
    counts = [
        warehouse.query(f"select count(*) from {text.format(table, int(position), kind)} as made")[
            1
        ]
        for kind in "rd"
    ]
    warehouse.execute(f"drop table {STAGED}")
    return int(counts[0][0][0]), int(counts[1][0][0])


def names(columns: Sequence[tuple[str, str]]) -> str:
    """The columns as SQL lists them."""
    return ", ".join(quote_identifier(name) for name, _ in columns)


def _key(columns: Sequence[tuple[str, str]]) -> str:
    return quote_identifier(columns[0][0])


def at_source(table: SourceTable, columns: Sequence[tuple[str, str]]) -> str:
    """Select of (key, hash) of each row of the source's table."""
    there = {column.name: column for column in table.columns}
    values = []
    for name, kind in columns:
        value, decimal = quote_identifier(name), DECIMAL.fullmatch(kind)
        if not decimal:
            values.append(_postgres(value, kind))
            continue
        precision, scale = int(decimal[1]), int(decimal[2])
        column = there[name]
        if (column.type, column.modifier) == (NUMERIC, (precision << 16 | scale) + 4):
            values.append(f"{value}::text")
        else:
            # A number that the contract cannot hold stays as it is: it is not in the warehouse.
            exact = f"{value} = round({value}::numeric, {scale}) and abs({value}) < 1e{precision - scale}"
            values.append(
                f"case when {exact} then {value}::numeric({precision},{scale})::text else {value}::text end"
            )
    return _hashed(columns, values, f"only {_place(table)}", "postgres")


def in_warehouse(engine: str, live: str, columns: Sequence[tuple[str, str]]) -> str:
    """The same of the rows that a log adds up to."""
    shown = _postgres if engine == "postgres" else _duckdb
    values = [shown(quote_identifier(name), kind) for name, kind in columns]
    return _hashed(columns, values, f"({live}) as live", engine)


def per_range(engine: str, hashes: str) -> str:
    """Select of (range, rows, sum of the hashes); its parameters are those of `parameters`."""
    return f"select place, count(*), sum(hash) from ({_placed(engine, hashes)}) as placed group by place"


def of_ranges(engine: str, hashes: str) -> str:
    """Select of (range, key, hash) of the rows in some ranges, whose numbers are the last parameter."""
    among = "= any(%s)" if engine == "postgres" else "in (select unnest(?))"
    return f"select place, key, hash from ({_placed(engine, hashes)}) as placed where place {among}"


def parameters(engine: str, bounds: Sequence[bytes], left_out: Sequence[str]) -> list[Any]:
    """Of both.

    Args:
        bounds: keys at which ranges begin, without the first.
        left_out: keys whose rows are not read.
    """
    if engine == "postgres":
        return [list(bounds), list(left_out)]
    return [list(left_out), [bound.decode() for bound in bounds]]


def range_keys(table: SourceTable, key: str) -> str:
    """Select of the first keys of ranges at the source; its parameter are their shares of the rows."""
    ordered = f"convert_to({quote_identifier(key)}::text, 'UTF8')"
    return (
        "select distinct encode(first, 'hex') from unnest((select percentile_disc(%s::double precision[])"
        f" within group (order by {ordered}) from only {_place(table)})) as first where first is not null order by 1"
    )


def count(table: SourceTable) -> str:
    """Select of the number of rows at the source."""
    return f"select count(*) from only {_place(table)}"


def _place(table: SourceTable) -> str:
    return f"{quote_identifier(table.schema)}.{quote_identifier(table.name)}"


def _placed(engine: str, hashes: str) -> str:
    read = f"({hashes}) as hashed where not exists (select 1 from (select unnest({{}}) as key) as left_out"
    read += " where left_out.key = hashed.key)"
    if engine == "postgres":
        place = "coalesce(width_bucket(convert_to(key, 'UTF8'), %s::bytea[]), 0)"
        return f"select {place} as place, key, hash from {read.format('%s::text[]')}"
    # A null compares with nothing: a row without a key is in the first range, on both engines.
    return (
        "select coalesce(bound.place, 0) as place, read.key, read.hash"
        f" from (select key, hash from {read.format('cast(? as varchar[])')}) as read"
        " asof left join (select unnest(bounds) as first, generate_subscripts(bounds, 1) as place"
        " from (select cast(? as varchar[]) as bounds)) as bound on read.key >= bound.first"
    )


def _hashed(
    columns: Sequence[tuple[str, str]], values: Sequence[str], place: str, engine: str
) -> str:
    # As a line of CSV: no two rows have one line.
    cells = [
        f"""coalesce('"' || replace({value}, '"', '""') || '"', '')"""
        if kind == "text"
        else f"coalesce({value}, '')"
        for value, (_, kind) in zip(values, columns, strict=True)
    ]
    line, key = " || ',' || ".join(cells), quote_identifier(columns[0][0])
    if engine == "postgres":
        digest = f"('x' || substr(md5(convert_to({line}, 'UTF8')), 1, 15))::bit(60)::bigint"
        return f"select {key}::text as key, {digest} as hash from {place}"
    digest = f"cast('0x' || substr(md5({line}), 1, 15) as bigint)"
    return f"select cast({key} as varchar) as key, {digest} as hash from {place}"


def _postgres(value: str, kind: str) -> str:
    if kind == "timestamptz":
        return (
            f"case when isfinite({value}) then (extract(epoch from {value}) * 1000000)::bigint::text"
            f" else {value}::text end"
        )
    return f"{value}::text"


def _duckdb(value: str, kind: str) -> str:
    return f"cast({f'epoch_us({value})' if kind == 'timestamptz' else value} as varchar)"
