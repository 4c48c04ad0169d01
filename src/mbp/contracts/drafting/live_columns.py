"""What a table is now: its columns and their types, empty and repeated values, and the range of each."""

from __future__ import annotations

from mbp.contracts.drafting.draft import DraftColumn
from mbp.core.errors import MbpError
from mbp.core.wording import many
from mbp.warehouse import Warehouse, quote_identifier
from mbp.warehouse.relations import place, query

# Types whose smallest and largest value say something.
RANGED = ("int", "decimal", "numeric", "double", "float", "real", "date", "time")


def live_columns(warehouse: Warehouse, schema: str, name: str) -> tuple[list[DraftColumn], int]:
    """The columns of a relation, and how many rows it has.

    Raises:
        MbpError: it is not in the warehouse, or cannot be read.
    """
    types = _types(warehouse, schema, name)
    if not types:
        raise MbpError(f"{schema}.{name} is not in the warehouse", fix="run `dbt build` first")
    parts = ["count(*)"]
    for column, type_ in types:
        quoted = quote_identifier(column)
        low = high = "null"
        compared = f"cast({quoted} as varchar)"  # json and the like cannot be compared themselves
        if type_.lower().startswith(RANGED) and "[" not in type_:
            compared = quoted
            low, high = f"cast(min({quoted}) as varchar)", f"cast(max({quoted}) as varchar)"
        parts += [f"count({quoted})", f"count(distinct {compared})", low, high]
    _, rows = query(warehouse, f"select {', '.join(parts)} from {place(schema, name)}", name)
    total, *values = rows[0]
    columns = []
    for index, (column, type_) in enumerate(types):
        filled, distinct, low, high = values[index * 4 : index * 4 + 4]
        span = f"{low} to {high}, " if low is not None else ""
        nulls = f"{total - filled} empty" if filled < total else "none empty"
        columns.append(
            DraftColumn(
                column,
                type_,
                required=bool(total) and filled == total,
                unique=bool(total) and distinct == total,
                seen=f"{span}{many(distinct, 'value')}, {nulls} in {many(total, 'row')}"
                if total
                else "no rows yet",
            )
        )
    return columns, int(total)


def _types(warehouse: Warehouse, schema: str, name: str) -> list[tuple[str, str]]:
    if warehouse.engine == "duckdb":
        sql = (
            "select column_name, data_type from duckdb_columns() where schema_name = ?"
            " and table_name = ? and database_name = current_database() order by column_index"
        )
        _, rows = warehouse.query(sql, [schema, name])
    else:
        _, rows = warehouse.query(
            "select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute as a"
            " where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped"
            " order by a.attnum",
            [place(schema, name)],
        )
    return [(str(column), str(type_)) for column, type_ in rows]
