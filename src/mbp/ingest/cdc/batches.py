"""What a reader holds between two commits: the tables of the stream, and the rows that wait to be written."""

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
