"""What a change log adds up to, and the changes that make it add up to something else.

A log is only ever added to. Emptying a table, and a snapshot over a log that has rows already, therefore become
changes: the deletes and rows that lie between what the log says and what is.
"""

from __future__ import annotations

from collections.abc import Sequence

from mbp.warehouse import Warehouse, quote_identifier

STAGED = "mbp_cdc_staged"
# Of a staged row: it has its values, not only its key.
FITS = "mbp_cdc_fits"


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
