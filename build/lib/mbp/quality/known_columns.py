"""What is known of the columns of a table or query: their names, and whether their values may be shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

    def column(self, name: str) -> Trust | None:
        """Trust of the column; None when there is certainly no column of that name."""
        matches = [trust for column, trust in self.columns if column == name]
        if matches and self.known:
            return max(matches)
        named = self.known and all(column for column, _ in self.columns)
        return None if named else Trust.UNKNOWN

    @property
    def row(self) -> Trust:
        """Trust of a whole row."""
        if not self.known:
            return Trust.UNKNOWN
        return worst(trust for _, trust in self.columns)

    def renamed(self, names: Sequence[str]) -> KnownColumns:
        """With a list of column aliases, which may be shorter than the columns."""
        if not names:
            return self
        if not self.known or len(names) > len(self.columns):
            return UNKNOWN
        first = [(name, trust) for name, (_, trust) in zip(names, self.columns, strict=False)]
        return KnownColumns((*first, *self.columns[len(names) :]))


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


def worst(trusts: Iterable[Trust]) -> Trust:
    """What counts of several; of none, nothing speaks against it."""
    return max(trusts, default=Trust.OPEN)
