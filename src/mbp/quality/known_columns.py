"""What is known of the columns of a table or query: their names, and whether their values may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Trust(IntEnum):
    """Whether a value may be shown. Of several, the largest counts."""

    OPEN = 0
    CLASSIFIED = 1
    UNKNOWN = 2


@dataclass(frozen=True)
class KnownColumns:
    """The columns of a table or query.

    Attributes:
        columns: (name in lower case, trust) in order; the name is '' where the engine makes one up.
        known: False when columns may be missing here or be in another order.
    """

    columns: tuple[tuple[str, Trust], ...] = ()
    known: bool = True


UNKNOWN = KnownColumns(known=False)


def trust_of(relation: KnownColumns, columns: Sequence[str]) -> list[Trust]:
    """The trust of each of the `columns` that the engine returned; they must be those of `relation`."""
    fits = (
        relation.known
        and len(relation.columns) == len(columns)
        and all(
            name in ("", column.lower())
            for (name, _), column in zip(relation.columns, columns, strict=True)
        )
    )
    return [trust for _, trust in relation.columns] if fits else [Trust.UNKNOWN for _ in columns]
