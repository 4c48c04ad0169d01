"""Where changes land: the raw change logs of a warehouse, and the position, in one transaction."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mbp.errors import MbpError
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.connection import LockedError
from mbp.warehouse.raw_tables import CDC_POSITIONS

# dbt may hold the DuckDB file for the length of a build. The source ends a stream that is silent for a minute.
LOCK_PATIENCE_SECONDS = 45.0
LOCK_PAUSE_SECONDS = 0.2
Row = Sequence[str | None]
Columns = Mapping[str, Sequence[tuple[str, str]]]


class Sink:
    """Rows and position of one slot. Nothing of a transaction is visible before `commit`.

    DuckDB has one writer per file, so the file is held only from the first row of a transaction to its commit:
    in between dbt and analysts can work.

    Args:
        columns: raw table ('mbp.quotes') -> (column, type) in order.
    """

    def __init__(self, root: Path, target: str, slot: str, columns: Columns) -> None:
        self.root, self.target, self.slot, self.columns = root, target, slot, columns
        self._warehouse: Warehouse | None = None
        self._in_transaction = False

    def position(self) -> int | None:
        """Up to where the source has been applied; None: never.

        Raises:
            MbpError: no warehouse, or one without the raw tables.
        """
        warehouse = self._open()
        _, rows = warehouse.query(
            "select table_name from information_schema.tables where table_schema = 'raw_mbp'"
        )
        there = {row[0] for row in rows}
        missing = [
            name for name in self.columns if name.startswith("mbp.") and name[4:] not in there
        ]
        if missing:
            self.close()
            raise MbpError(f"raw_{missing[0]} is not in the warehouse", cure="run `mbp db init`")
        if "_cdc_position" not in there:
            self.close()
            raise MbpError(f"{CDC_POSITIONS} is not in the warehouse", cure="run `mbp db init`")
        _, found = warehouse.query(
            f"select max(position) from {CDC_POSITIONS} where slot = {self._mark}", [self.slot]
        )
        self._release()
        return None if found[0][0] is None else int(found[0][0])

    def write(self, table: str, rows: Sequence[Row]) -> None:
        """Appends rows, given as text in the order of the table's columns.

        Raises:
            MbpError: a value that the column cannot hold.
        """
        if not rows:
            return
        warehouse = self._begin()
        try:
            if warehouse.engine == "duckdb":
                self._write_duckdb(warehouse, table, rows)
            else:
                self._write_postgres(warehouse, table, rows)
        except Exception as error:
            reason = " ".join(str(error).split())
            raise MbpError(
                f"a row of {table} cannot be written: {reason[:300]}",
                cure="compare source and contract; the position was kept, so nothing is lost",
            ) from error

    def commit(self, position: int) -> None:
        """Makes everything since the last commit visible, together with the position."""
        warehouse = self._begin()
        warehouse.execute(f"delete from {CDC_POSITIONS} where slot = {self._mark}", [self.slot])
        warehouse.execute(
            f"insert into {CDC_POSITIONS} values ({self._mark}, {self._mark}, current_timestamp)",
            [self.slot, position],
        )
        warehouse.execute("commit")
        self._in_transaction = False
        self._release()

    @property
    def in_transaction(self) -> bool:
        """Rows were written that nobody sees yet."""
        return self._in_transaction

    def close(self) -> None:
        """Ends the connection; what was not committed is gone."""
        warehouse, self._warehouse = self._warehouse, None
        self._in_transaction = False
        if warehouse is not None:
            warehouse.close()

    @property
    def _mark(self) -> str:
        return "?" if self._open().engine == "duckdb" else "%s"

    def _open(self) -> Warehouse:
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while self._warehouse is None:
            try:
                self._warehouse = connect(self.root, self.target)
            except LockedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOCK_PAUSE_SECONDS)
        return self._warehouse

    def _begin(self) -> Warehouse:
        warehouse = self._open()
        if not self._in_transaction:
            warehouse.execute("begin")
            self._in_transaction = True
        return warehouse

    def _release(self) -> None:
        if self._warehouse is not None and self._warehouse.engine == "duckdb":
            self.close()

    def _write_duckdb(self, warehouse: Any, table: str, rows: Sequence[Row]) -> None:
        import pyarrow as pa

        columns = self.columns[table]
        arrays = [
            pa.array([row[place] for row in rows], type=pa.string())
            for place in range(len(columns))
        ]
        batch = pa.table(arrays, names=[name for name, _ in columns])
        warehouse.connection.register("mbp_cdc_batch", batch)
        casts = ", ".join(f'cast("{name}" as {kind})' for name, kind in columns)
        warehouse.execute(f"insert into raw_{table} select {casts} from mbp_cdc_batch")
        warehouse.connection.unregister("mbp_cdc_batch")

    def _write_postgres(self, warehouse: Any, table: str, rows: Sequence[Row]) -> None:
        stream = io.StringIO()
        for row in rows:
            stream.write(",".join(_quoted(value) for value in row) + "\n")
        stream.seek(0)
        names = ", ".join(f'"{name}"' for name, _ in self.columns[table])
        with warehouse.connection.cursor() as cursor:
            cursor.copy_expert(f"copy raw_{table} ({names}) from stdin with (format csv)", stream)


def _quoted(value: str | None) -> str:
    """For COPY: null is nothing at all, and every text is quoted, so an empty text stays one."""
    return "" if value is None else '"' + value.replace('"', '""') + '"'
