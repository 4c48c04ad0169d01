"""What the two engines do differently when rows are copied and views are swapped."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from mbp.core.errors import MbpError
from mbp.core.masking import DIGITS
from mbp.warehouse.connection import Warehouse, quote_identifier
from mbp.warehouse.relations import LIVE, READERS, SNAPSHOTS, place

# Of macros/engine/publish.sql, which takes it before a build points readers anywhere.
SWAP_LOCK = 4106111
COPY_LOCK = 4106112
# A reader's long query holds the view, and every reader after it waits behind us: give up soon, and try again.
LOCK_SECONDS = 2
PATIENCE_SECONDS = 120
INDEX = re.compile(r"^create (unique )?index .+? on \S+ (using .+)$", re.IGNORECASE | re.DOTALL)
TEXT_TYPES = ("varchar", "text", "character varying")
# The same mark as mbp.core.masking.mask, whose digits these are.
MASKS = {
    "duckdb": f"'…' || left(sha256({{}}), {DIGITS})",
    "postgres": f"'…' || left(encode(sha256(convert_to({{}}, 'UTF8')), 'hex'), {DIGITS})",
}
# `create or replace` keeps privileges and the views of analysts, and fails when the columns changed: then the function
# of macros/engine/replace_functions.sql creates the views of analysts again, or nothing changes.
REPLACE_ON_POSTGRES = """
do $$ begin
    create or replace view {view} as select {columns} from {source};
exception when invalid_table_definition then
    create view {fresh} as select {columns} from {source};
    perform snapshot.replace_relation('{fresh}', '{view}', array[]::text[], '{patience} seconds');
end $$
"""
Result = TypeVar("Result")


@contextmanager
def explained(what: str, fix: str) -> Iterator[None]:
    """Errors of an engine as one line.

    Raises:
        MbpError: instead of the engine's error; what the block did was rolled back.
    """
    import duckdb
    import psycopg2

    try:
        yield
    except (duckdb.Error, psycopg2.Error) as error:
        reason = " ".join(str(error).split("\n")[0].split())
        raise MbpError(f"{what}, nothing was changed: {reason}", fix=fix) from error


def patiently(warehouse: Warehouse, work: Callable[[], Result]) -> Result:
    """What `work` returns, in one transaction; again from its beginning while others hold what it needs.

    Raises:
        psycopg2.Error: still held after PATIENCE_SECONDS.
    """
    from psycopg2 import errors

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with warehouse.transaction():
                return work()
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            if time.monotonic() > deadline:
                raise
        # Readers that wait for us go first. Two that try again do it at different moments.
        time.sleep(random.uniform(0.05, 0.25))  # noqa: S311


def hold_views(warehouse: Warehouse, datasets: Sequence[str]) -> None:
    """Takes the swap lock and the readers' views of all datasets, until the end of the transaction.

    Raises:
        MbpError: an older version of the project built the warehouse.
    """
    if warehouse.engine != "postgres":
        return
    if warehouse.query("select to_regproc('snapshot.hold')::text")[1] == [(None,)]:
        raise MbpError("snapshot.hold is not in the warehouse", fix="run `mbp build`")
    warehouse.execute(
        "select snapshot.hold(array(select to_regclass(name)::oid from unnest(%s::text[]) as name"
        " where to_regclass(name) is not null), %s::interval, false)",
        [[place(READERS, dataset) for dataset in datasets], f"{PATIENCE_SECONDS} seconds"],
    )


def columns(warehouse: Warehouse, schema: str, name: str) -> list[tuple[str, ...]]:
    """(name, type, precision, scale) of every column in order; empty when it is not there."""
    mark = warehouse.mark
    _, rows = warehouse.query(
        "select column_name, data_type, numeric_precision, numeric_scale"
        f" from information_schema.columns where table_schema = {mark} and table_name = {mark}"
        " order by ordinal_position",
        [schema, name],
    )
    return [tuple(str(value) for value in row) for row in rows]


def one_at_a_time(warehouse: Warehouse, lock: int) -> None:
    """Waits for a running swap or copy, until the end of the transaction. DuckDB has one process anyway."""
    if warehouse.engine == "postgres":
        warehouse.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
        warehouse.execute(f"select pg_advisory_xact_lock({lock})")


def hold_still(warehouse: Warehouse, datasets: Sequence[str], mode: str) -> None:
    """Locks the live tables until the end of the transaction, in the order of their names.

    Args:
        mode: 'share' keeps writers out, 'access share' only keeps the tables where they are.
    """
    if warehouse.engine == "postgres":
        warehouse.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
        for dataset in sorted(datasets):
            warehouse.execute(f"lock table {place(LIVE, dataset)} in {mode} mode")


def copy(warehouse: Warehouse, dataset: str, name: str) -> None:
    """Makes `name` in the schema of snapshots from the live rows, with their indexes."""
    source, target = place(LIVE, dataset), place(SNAPSHOTS, name)
    warehouse.execute(f"create table {target} as select * from {source}")
    if warehouse.engine == "postgres":
        _, rows = warehouse.query(
            "select indexdef from pg_indexes where schemaname = %s and tablename = %s order by 1",
            [LIVE, dataset],
        )
        for (definition,) in rows:
            if matched := INDEX.match(definition):
                warehouse.execute(f"create {matched[1] or ''}index on {target} {matched[2]}")
        warehouse.execute(f"analyze {target}")


def point(warehouse: Warehouse, dataset: str, schema: str, name: str) -> None:
    """Points the readers' view of a dataset at a relation, with its classified columns masked.

    Raises:
        MbpError: it is not declared which columns are classified.
    """
    view, source = place(READERS, dataset), place(schema, name)
    shown = masked_columns(warehouse, dataset, schema, name)
    if warehouse.engine == "postgres":
        warehouse.execute(
            REPLACE_ON_POSTGRES.format(
                view=view,
                fresh=place(READERS, f"{dataset}__fresh"),
                source=source,
                columns=shown,
                patience=PATIENCE_SECONDS,
            )
        )
    else:
        warehouse.execute(f"create or replace view {view} as select {shown} from {source}")


def masked_columns(warehouse: Warehouse, dataset: str, schema: str, name: str) -> str:
    """The columns of a relation for readers, as macros/engine/publish.sql writes them.

    Raises:
        MbpError: it is not declared which columns are classified.
    """
    _, rows = warehouse.query(
        f"select columns from {place(SNAPSHOTS, 'masks')} where dataset = {warehouse.mark}",
        [dataset],
    )
    if len(rows) != 1:
        raise MbpError(f"which columns of {dataset} are classified is not known", fix="`mbp build`")
    hidden = set(rows[0][0].split(","))
    shown = []
    for column, kind, *_ in columns(warehouse, schema, name):
        quoted = quote_identifier(column)
        if column not in hidden:
            shown.append(quoted)
        elif kind.lower() in TEXT_TYPES:
            shown.append(f"{MASKS[warehouse.engine].format(quoted)} as {quoted}")
        else:
            # Null of the very same type, precision and scale with it.
            shown.append(f"nullif({quoted}, {quoted}) as {quoted}")
    return ", ".join(shown) or "*"


def pointed_at(warehouse: Warehouse, dataset: str) -> tuple[str, str] | None:
    """(schema, name) of what the readers' view shows; None when it is not there or shows neither."""
    if warehouse.engine == "postgres":
        sql = "select pg_get_viewdef(to_regclass(%s))"
        _, rows = warehouse.query(sql, [place(READERS, dataset)])
    else:
        _, rows = warehouse.query(
            "select sql from duckdb_views() where schema_name = ? and view_name = ?",
            [READERS, dataset],
        )
    text = str(rows[0][0] or "").replace('"', "") if rows else ""
    matched = re.search(rf"\b({LIVE}|{SNAPSHOTS})\.({dataset}(?:__\d+)?)\b", text)
    return (matched[1], matched[2]) if matched else None
