"""What a reader holds between two commits: the tables, the rows that wait, and the keys of the open transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from mbp.ingest.cdc.letters import Letter
from mbp.ingest.cdc.pgoutput import TableShape, Value

# The log's own columns at the end of a row: operation, deleted, commit time, position.
OWN = -4
Row = list[Value]
Columns = Sequence[tuple[str, str]]


@dataclass
class KnownTable:
    """A table of the source as it is now.

    Attributes:
        places: the place of each contracted column; empty while it does not fit.
        log: its raw table.
        in_order: the source has the contracted columns in their order, and no others.
        plain: an insert is a row of the log as it is: nothing is padded, and no key is taken twice in a transaction.
        padded: places of the source's columns that are.
    """

    relation: TableShape
    places: Sequence[int]
    log: str
    in_order: bool = False
    plain: bool = True
    padded: frozenset[int] = frozenset()


@dataclass
class Batch:
    """Rows that wait to be written, and the messages they came as."""

    rows: dict[str, list[list[Value]]] = field(default_factory=dict)
    origins: dict[str, list[tuple[TableShape | None, int, bytes]]] = field(default_factory=dict)
    refused: list[Letter] = field(default_factory=list)
    size: int = 0
    since: float = 0.0


class KeyOccupants:
    """The rows that took a key in the open transaction, per table; the first column is the key."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, Value], list[Row]] = {}

    def taken(self, table: str, rows: Sequence[Row], left: Row | None) -> list[Row]:
        """The rows of a change as the log must have them.

        Args:
            rows: of `change_shape.rows_of`: the row, before it a delete of the old key when that changed.
            left: values of the row as it was before; None: it is new.
        """
        results = []
        newest = rows[-1]
        if left is not None:
            there = self._rows.get((table, left[0]), [])
            latest = there[-1] if there else None
            if left in there:
                there.remove(left)
            if latest is None or not there:
                results = [row for row in rows if row[OWN] == "d"]
            elif latest is not there[-1]:
                # The row that came last went on, and the one before it is there again.
                results = [[*there[-1], "u", "false", *newest[-2:]]]
        if newest[OWN] != "d":
            results.append(newest)
            self._rows.setdefault((table, newest[0]), []).append(newest[:OWN])
        return results


class Parts:
    """Parts by place, in the order in which the places came up. As a context: gone afterwards."""

    def __init__(self) -> None:
        self._columns: dict[str, Columns] = {}
        self._memory: dict[str, Any] = {}
        self._files: dict[str, list[Path]] = {}
        self._folder: TemporaryDirectory[str] | None = None

    def __bool__(self) -> bool:
        return bool(self._columns)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def add(self, place: str, columns: Columns, listed: Sequence[Sequence[str | None]]) -> None:
        """Adds rows, given as texts by column."""
        import pyarrow as pa

        arrays = [pa.array(cells, type=pa.string()) for cells in listed]
        table = pa.table(arrays, names=[name for name, _ in columns])
        if place not in self._columns:
            self._columns[place] = columns
            self._memory[place] = table
            return
        if place in self._memory:
            self._spill(place, self._memory.pop(place))
        self._spill(place, table)

    def sources(self, warehouse: Any) -> Iterator[tuple[str, Columns, str]]:
        """(place, columns, what to select them from) of each place, for an open DuckDB warehouse."""
        connection = warehouse.connection
        for place, columns in self._columns.items():
            if place in self._memory:
                connection.register("mbp_cdc_batch", self._memory[place])
                yield place, columns, "mbp_cdc_batch"
                connection.unregister("mbp_cdc_batch")
            else:
                listed = ", ".join(
                    "'" + str(path).replace("'", "''") + "'" for path in self._files[place]
                )
                yield place, columns, f"read_parquet([{listed}])"

    def close(self) -> None:
        """Forgets everything."""
        self._columns, self._memory, self._files = {}, {}, {}
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _spill(self, place: str, table: Any) -> None:
        import pyarrow.parquet as pq

        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="mbp-cdc-")
        files = self._files.setdefault(place, [])
        files.append(
            Path(self._folder.name) / f"{len(self._columns)}-{place}-{len(files):06}.parquet"
        )
        pq.write_table(table, files[-1])
