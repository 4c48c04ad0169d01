"""Keys that several rows have within a transaction: of a table whose unique constraint is deferred, or that has none.

One statement may then give a row the key of another one that gives its own away later (keys that are rotated). In the
log the delete of the old key would come after the row that has the key from now on.
"""

from __future__ import annotations

from collections.abc import Sequence

from mbp.ingest.cdc.pgoutput import Value

# The log's own columns at the end of a row: operation, deleted, commit time, position.
OWN = -4
Row = list[Value]


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
