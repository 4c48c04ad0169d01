"""SQL that gives a row the same hash at the source and in a warehouse, whatever engine, encoding and declared type.

Keys are compared as the bytes of UTF-8 everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mbp.ingest.cdc.exact import DECIMAL
from mbp.ingest.cdc.source_tables import SourceTable
from mbp.warehouse import quote_identifier

NUMERIC = 1700


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
