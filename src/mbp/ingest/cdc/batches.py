"""What a reader holds between two commits: the tables, the rows that wait, and the keys of the open transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mbp.ingest.cdc.letters import Letter
from mbp.ingest.cdc.pgoutput import TableShape, Value


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
