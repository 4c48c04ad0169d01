"""Rows on their way into a DuckDB file, so that it is opened only to take them all in at once.

The first part of a place waits in memory. A second one means that a transaction of the source is large: from then on
parts are Parquet files, and neither memory nor the time for which the file is held grows with the transaction's length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

Columns = Sequence[tuple[str, str]]


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
