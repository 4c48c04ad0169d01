"""A whole small simulation in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from lab.simulate import schema

Row = dict[str, Any]


class RawWorld(Mapping[str, pa.Table]):
    """Raw tables by name (`mbp.quotes`, ...), in the order of `schema.TABLES`.

    Tables are immutable, so `copy` costs nothing and a changed world shares all it did not change.
    """

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        self._tables = {name: tables[name] for name in schema.TABLES}

    def __getitem__(self, table: str) -> pa.Table:
        return self._tables[table]

    def __iter__(self) -> Any:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def copy(self) -> RawWorld:
        """A world that can be changed without changing this one."""
        return RawWorld(self._tables)

    def rows(self, table: str) -> list[Row]:
        """The rows of a table in the order of arrival; changing them changes nothing here."""
        rows: list[Row] = self._tables[table].to_pylist()
        return rows

    def replace(self, table: str, rows: Iterable[Row]) -> None:
        """Puts `rows` in the place of a table, with the table's types.

        Raises:
            pyarrow.ArrowInvalid: a value that its column cannot hold.
        """
        self._tables[table] = pa.Table.from_pylist(list(rows), schema=schema.SCHEMAS[table])

    def changed_tables(self, other: RawWorld) -> list[str]:
        """Names of the tables whose content differs from that of `other`."""
        return [name for name in self if not self[name].equals(other[name])]
