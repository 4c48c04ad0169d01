"""Row for row: what the change log adds up to against what the source has. Shares no code with the reader."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Compared:
    """One table.

    Attributes:
        rows: at the source.
        missing, extra, other: keys only there, keys only here, keys whose hash differs.
        twice: changes that stand more than once, by key and position.
    """

    table: str
    rows: int
    missing: int
    extra: int
    other: int
    twice: int

    @property
    def same(self) -> bool:
        """Nothing differs."""
        return not (self.missing or self.extra or self.other or self.twice)


def compare(
    table: str, at_source: Iterable[Sequence[Any]], log: Iterable[Sequence[Any]]
) -> Compared:
    """Counts, keys and a hash per key.

    Args:
        at_source: rows of (key, values...).
        log: rows of (key, values..., operation, position) in any order.
    """
    there = {row[0]: _hash(row) for row in at_source}
    newest: dict[Any, tuple[int, str, bytes]] = {}
    seen: set[tuple[Any, int]] = set()
    twice = 0
    for row in log:
        key, operation, position = row[0], str(row[-2]), int(row[-1])
        # A snapshot may restate a key at the very position of another one's end; a change of the stream may not.
        twice += (key, position) in seen
        seen.add((key, position))
        if key not in newest or newest[key][0] <= position:
            newest[key] = (position, operation, _hash(row[:-2]))
    here = {key: hashed for key, (_, operation, hashed) in newest.items() if operation != "d"}
    other = sum(here[key] != hashed for key, hashed in there.items() if key in here)
    return Compared(
        table,
        len(there),
        len(there.keys() - here.keys()),
        len(here.keys() - there.keys()),
        other,
        twice,
    )


def _hash(row: Sequence[Any]) -> bytes:
    told = "\x1f".join("\x00" if value is None else str(value) for value in row)
    return hashlib.sha256(told.encode()).digest()[:16]
