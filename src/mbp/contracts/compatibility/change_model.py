"""The parts of a contract that decide whether a value is valid, changes between two of them, and the codes of these."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import cached_property
from importlib import resources
from typing import Any, Literal

from mbp.contracts.reading import SERVICE_LEVELS

Extra = Literal["ignored", "refused", "accepted"]
ABSENT: Any = object()
Class = Literal["shape", "value set", "promise", "governance", "documentation"]
_SLA_CHANGES = {
    "added": ("is guaranteed", "One more guarantee."),
    "tightened": ("has a better guarantee", "A better guarantee; rows stay as they are."),
    "loosened": ("has a worse guarantee", "Readers rely on the old guarantee."),
    "removed": ("is not guaranteed any more", "Readers rely on it."),
    "changed": (
        "is guaranteed for something else",
        "The old guarantee was removed, and how the new one compares is not known.",
    ),
}


class Compatibility(Enum):
    """What is known of one direction of a change."""

    OK = "ok"
    BREAK = "break"
    UNKNOWN = "unknown"


OK, BREAK, UNKNOWN = Compatibility.OK, Compatibility.BREAK, Compatibility.UNKNOWN


@dataclass(frozen=True)
class Kind:
    """The values a column can store.

    Attributes:
        name: integer, decimal, float, string, binary, boolean, date, time, timestamp, interval,
            array, object, map, multiset, vector, nominal (a type that we do not know), unclear (one
            that settings of the engine decide) or unstated.
        low, high: of an integer, inclusive; None where it has no bound.
        precision, scale: of a decimal; None where it has any.
        bits: significand of a float.
        length, fixed: of strings, binaries (None: any length) and vectors (their dimensions).
        digits: fraction digits of a second that a time or timestamp keeps.
        zoned: a timestamp that is an instant and not a reading of a wall clock.
        label: what a nominal kind is called, which fits itself alone; how a text or an instant is
            stored where that makes another type of it; the physical type of a container.
        parts: of an array, a map or an object as its physical type writes it: (name, kind).
    """

    name: str
    low: int | None = None
    high: int | None = None
    precision: int | None = None
    scale: int | None = None
    bits: int | None = None
    length: int | None = None
    fixed: bool = False
    digits: int | None = None
    zoned: bool = False
    label: str | None = None
    parts: tuple[tuple[str, Kind], ...] = ()

    @property
    def numeric(self) -> bool:
        """Its values are numbers."""
        return self.name in ("integer", "decimal", "float")

    @property
    def temporal(self) -> bool:
        """Its values have an order in time."""
        return self.name in ("date", "time", "timestamp")


@dataclass(frozen=True)
class Unreadable:
    """A value of a closed list that does not have its column's type, as the contract writes it."""

    text: str


def value_key(value: Any) -> Any:
    """Equal for values that JSON takes for equal: 1 and 1.0, but not 1 and true."""
    return (type(value), value) if isinstance(value, bool) else value


@dataclass(frozen=True)
class Facets:
    """What narrows the values of a kind.

    Attributes:
        low, high: bounds of numbers, of days (date) or of seconds (time, timestamp).
        options: other limits: minLength, maxLength, pattern, multipleOf, minItems, maxItems,
            uniqueItems, minProperties, maxProperties.
            `unread minimum` and its like: a bound that could not be read, as it is written.
        values: the closed list; None where any value of the kind goes; empty where two lists of one
            column share no value.
        texts: the values as the contract writes them, in the same order.
    """

    low: Decimal | None = None
    low_open: bool = False
    high: Decimal | None = None
    high_open: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    values: tuple[Any, ...] | None = None
    texts: tuple[Any, ...] = ()

    def lists(self, value: Any) -> bool:
        """The closed list has the value."""
        return value_key(value) in self._by_key

    def written(self, value: Any) -> Any:
        """A value of the list as the contract writes it."""
        return self._by_key.get(value_key(value), value)

    @cached_property
    def _by_key(self) -> dict[Any, Any]:
        values = self.values or ()
        return dict(zip(map(value_key, values), self.texts or values, strict=True))

    @cached_property
    def unreadable(self) -> bool:
        """The closed list has a value that does not have the column's type."""
        return any(isinstance(value, Unreadable) for value in self.values or ())


@dataclass(frozen=True)
class SchemaNode:
    """A column, a field of an object, an element of an array, a key or a value of a map.

    Attributes:
        path: from the table, like `orders.lines[].price`.
        kind: what is stored: the physical type where one is stated that we know.
        logical: what the logical type means.
        engines: the engines of the contract's servers; none where it names none.
        engine_kinds: engine -> what is stored there.
        children: of an object its fields; of an array, a multiset or a map `[]`, `{key}`, `{}`.
        extra: what happens to fields that are not listed.
        raw: the entry of the contract.
    """

    name: str
    path: str
    required: bool
    kind: Kind
    logical: Kind
    facets: Facets
    engines: tuple[str, ...] = ()
    engine_kinds: Mapping[str, Kind] = field(default_factory=dict)
    children: tuple[SchemaNode, ...] = ()
    extra: Extra = "ignored"
    default: Any = ABSENT
    raw: Mapping[str, Any] = field(default_factory=dict)

    def child(self, name: str) -> SchemaNode | None:
        """The child of that name."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, SchemaNode]:
        return {child.name: child for child in self.children}


@dataclass(frozen=True)
class Change:
    """One atomic change between two contracts.

    Attributes:
        code: of `codes.CATALOGUE`.
        path: what changed, like `orders.price`.
        old, new: as the contracts say it; None where one says nothing.
        note: why the verdicts are as they are, when the code alone does not explain it.
        witness: a row that one contract accepts and the other does not, by direction.
    """

    code: str
    path: str
    backward: Compatibility
    forward: Compatibility
    old: Any = None
    new: Any = None
    note: str = ""
    witness: Mapping[str, Any] = field(default_factory=dict)


def entry_change(path: str, old: Any, new: Any, *, known: bool) -> Change:
    """A change of a key without its own rule.

    Args:
        known: it is documentation; what is not known may break readers of either version.
    """
    verdict = Compatibility.OK if known else Compatibility.UNKNOWN
    code = "metadata_changed" if known else "unknown_changed"
    return Change(code, path, verdict, verdict, old, new)


@dataclass(frozen=True)
class Code:
    """One kind of change.

    Attributes:
        loosening: governance gets weaker: a major change, whatever rows do.
        row_level: it decides on single rows, so a break is shown by a row.
    """

    name: str
    kind: Class
    what: str
    why: str
    loosening: bool = False
    row_level: bool = False


def snake(name: str) -> str:
    """`timeToDetect` -> `time_to_detect`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _catalogue() -> dict[str, Code]:
    text = resources.files(__package__).joinpath("codes.toml").read_text(encoding="utf-8")
    codes = {
        name: Code(
            name,
            entry["class"],
            entry["what"],
            entry["why"],
            entry.get("loosening", False),
            entry.get("row_level", False),
        )
        for name, entry in tomllib.loads(text).items()
    }
    for level in SERVICE_LEVELS:
        for change, (what, why) in _SLA_CHANGES.items():
            name = f"sla_{snake(level)}_{change}"
            codes[name] = Code(name, "promise", f"{level} {what}.", why)
    return codes


CATALOGUE = _catalogue()
