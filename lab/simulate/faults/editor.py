"""Small, careful changes of a world: the tools that faults are made with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.simulate import schema
from lab.simulate.raw_world import RawWorld, Row
from mbp.core.errors import MbpError

LOG_TABLES = tuple(schema.KEYS)
LOG_COLUMNS = tuple(name for name, _type in schema.CHANGE_LOG)


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970: the clock of commits."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


class Editor:
    """Rows of a world that can be changed; `save` puts them back in the order of arrival."""

    def __init__(self, world: RawWorld) -> None:
        self.world = world
        self._rows: dict[str, list[Row]] = {}
        self._edited: set[str] = set()

    def rows(self, table: str) -> list[Row]:
        """All rows of a table; a caller that changes them uses `edit`."""
        if table not in self._rows:
            self._rows[table] = self.world.rows(table)
        return self._rows[table]

    def edit(self, table: str) -> list[Row]:
        """All rows of a table, to be changed."""
        self._edited.add(table)
        return self.rows(table)

    def save(self) -> None:
        """Puts the edited tables into the world; a stable sort keeps the arrivals in order."""
        for table in sorted(self._edited):
            self.world.replace(table, sorted(self.rows(table), key=lambda row: row["_loaded_at"]))

    def in_force(self, table: str) -> list[Row]:
        """The row in force of every key that is not deleted, by key."""
        key = schema.KEYS[table]
        newest: dict[str, Row] = {}
        for row in sorted(self.rows(table), key=lambda row: row["__source_lsn"]):
            # Of the deliveries of one change the first arrival counts: rows are in that order.
            known = newest.get(row[key])
            if known is None or known["__source_lsn"] < row["__source_lsn"]:
                newest[row[key]] = row
        return [newest[name] for name in sorted(newest) if newest[name]["__op"] != "d"]

    def choose(self, table: str, wanted: Callable[[Row], bool]) -> Row:
        """The last row in force, by key, that is `wanted` and has one single row in the log.

        Raises:
            MbpError: no such row: the world is too small for the fault.
        """
        key = schema.KEYS[table]
        count = Counter(row[key] for row in self.rows(table))
        results = [row for row in self.in_force(table) if wanted(row)]
        single = [row for row in results if count[row[key]] == 1]
        if not (single or results):
            raise MbpError(
                f"no row of {table} is fit for the fault", fix="simulate 16 markets or more"
            )
        return (single or results)[-1]

    def change(self, table: str, row: Row, **values: Any) -> None:
        """Changes a row, in all deliveries of it."""
        key, position = schema.KEYS[table], row["__source_lsn"]
        name = row[key]
        for candidate in self.edit(table):
            if candidate[key] == name and candidate["__source_lsn"] == position:
                candidate.update(values)

    def append(self, table: str, row: Row, *, operation: str = "c", **values: Any) -> Row:
        """A new change, like `row` with `values`: after all others in the log, yet in time."""
        logs = [entry for name in LOG_TABLES for entry in self.rows(name)]
        new = {
            **row,
            "__op": operation,
            "__deleted": "true" if operation == "d" else "false",
            "__source_ts_ms": max(entry["__source_ts_ms"] for entry in logs),
            "__source_lsn": max(entry["__source_lsn"] for entry in logs) + 1,
            "_loaded_at": max(entry["_loaded_at"] for entry in logs),
            **values,
        }
        self.edit(table).append(new)
        return new

    def end_of_data(self) -> datetime:
        """The newest arrival in the change logs: what "now" means in a replay."""
        moments: list[datetime] = [
            row["_loaded_at"] for name in LOG_TABLES for row in self.rows(name)
        ]
        return max(moments)

    # Rows that few rules check, so that a fault in them stays alone.

    def announced_market(self) -> Row:
        """A market that opens after the end of the data: it has no quotes, no status history."""
        last_quote = max(row["quoted_at"] for row in self.rows("mbp.quotes"))
        return self.choose("mbp.markets", lambda row: bool(row["opened_at"] > last_quote))

    def market(self, status: str) -> Row:
        """A quoted market that ended up in `status`."""
        quoted = {row["market_id"] for row in self.rows("mbp.quotes")}
        return self.choose(
            "mbp.markets", lambda row: row["status"] == status and row["market_id"] in quoted
        )

    def last_quote(self, market: Row) -> Row:
        """The last quote of a market: nothing is averaged from its price."""
        key = market["market_id"]
        quotes = [row for row in self.in_force("mbp.quotes") if row["market_id"] == key]
        return max(quotes, key=lambda row: (row["quoted_at"], row["__source_lsn"]))

    def idle_quote(self) -> Row:
        """The last quote of a market that is paused: it has no volume and nothing follows it."""
        return self.last_quote(self.market("paused"))

    def resolution(self, *, manual: bool) -> Row:
        """A resolution decided by hand, or one that was not."""
        return self.choose(
            "mbp.resolutions", lambda row: (row["source_kind"] == "manual") == manual
        )

    def idle_row(self, table: str) -> Row:
        """A row of the table in which a changed column stays without further effect."""
        if table == "mbp.markets":
            return self.announced_market()
        if table == "mbp.quotes":
            return self.idle_quote()
        if table == "mbp.resolutions":
            return self.resolution(manual=False)
        return self.choose(table, lambda row: row.get("severity") != "high")
