"""Row for row: what a change log adds up to against what the source has. Shares no code with the reader.

Both engines are asked for key and hash of each row, over the same canonical text of its values; the log's newest
change per key is found by the position alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Engine = Literal["duckdb", "postgres"]
Columns = Sequence[tuple[str, str]]
EXAMPLES = 3


@dataclass(frozen=True)
class Compared:
    """One table.

    Attributes:
        rows: at the source.
        changes: in the log.
        missing, extra, other: keys at the source only, keys in the log only, keys whose hashes differ.
        twice: pairs of (position, key) that are there more than once in the log.
        examples: a few keys of what is wrong.
    """

    table: str
    rows: int
    changes: int
    missing: int
    extra: int
    other: int
    twice: int
    examples: Sequence[str] = ()

    @property
    def same(self) -> bool:
        """Nothing differs, and nothing appears twice."""
        return not (self.missing or self.extra or self.other or self.twice)

    @property
    def sentence(self) -> str:
        """For people."""
        counts = f"{self.missing} missing, {self.extra} too many, {self.other} different, {self.twice} twice"
        return f"{self.table}: of {self.rows:,} rows {counts}: {', '.join(self.examples)}"


def source_sql(table: str, columns: Columns) -> str:
    """(key, hash) of every row of a table of the source; the first column is the key."""
    return f'select "{columns[0][0]}", {_hash(columns, "postgres")} from "{table}"'


def log_sql(relation: str, columns: Columns, engine: Engine) -> str:
    """(key, hash) of every row that is there by the log."""
    key = f'"{columns[0][0]}"'
    return (
        f"with places as (select {key} as key_, max(__source_lsn) as newest from {relation} group by {key})"
        f" select distinct {key}, {_hash(columns, engine)} from {relation} as log"
        f" inner join places on places.key_ = log.{key} and places.newest = log.__source_lsn"
        " where __op <> 'd'"
    )


def twice_sql(relation: str, columns: Columns) -> str:
    """Keys of changes that are there more than once."""
    key = f'"{columns[0][0]}"'
    return f"select {key} from {relation} group by {key}, __source_lsn having count(*) > 1"


def compare(
    table: str,
    at_source: Iterable[Sequence[str]],
    in_log: Iterable[Sequence[str]],
    twice: Sequence[Sequence[str]],
    changes: int,
) -> Compared:
    """Counts, keys and hashes.

    Args:
        at_source, in_log: (key, hash); a key that appears twice in the log is counted in `twice`.
        twice: keys of repeated changes.
        changes: rows of the log.
    """
    there = {row[0]: row[1] for row in at_source}
    here = {row[0]: row[1] for row in in_log}
    missing = sorted(there.keys() - here.keys())
    extra = sorted(here.keys() - there.keys())
    other = sorted(key for key, hashed in there.items() if here.get(key, hashed) != hashed)
    again = sorted(row[0] for row in twice)
    examples = [
        f"{key} {what}"
        for what, keys in (
            ("missing", missing),
            ("too many", extra),
            ("differs", other),
            ("twice", again),
        )
        for key in keys[:EXAMPLES]
    ]
    return Compared(
        table, len(there), changes, len(missing), len(extra), len(other), len(again), examples
    )


def _hash(columns: Columns, engine: Engine) -> str:
    """MD5 over length and text of every value: no two different rows have one text."""
    parts = [
        f"coalesce(cast(length({text}) as varchar) || ':' || {text}, '-')"
        for text in (_text(name, kind, engine) for name, kind in columns)
    ]
    return f"md5({' || '.join(parts)})"


def _text(name: str, kind: str, engine: Engine) -> str:
    """One value: instants as microseconds since 1970, decimals with all of their digits, the rest as it is."""
    column = f'"{name}"'
    if kind == "timestamptz":
        exact = (
            f"epoch_us({column})"
            if engine == "duckdb"
            else f"extract(epoch from {column}) * 1000000"
        )
        return f"cast(cast({exact} as bigint) as varchar)"
    return f"cast({column} as varchar)"
