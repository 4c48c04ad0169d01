"""Single values: whether a column allows one, and which ones are at its edges.

A value is what JSON has, with `Decimal` for numbers; days count a date, seconds a time or a timestamp.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

from mbp.contracts.compatibility.change_model import Facets, Kind, SchemaNode, Unreadable
from mbp.contracts.compatibility.domain_values import MOST_DIGITS, domain_of
from mbp.contracts.compatibility.languages import LONGEST, Language, example, matches

# Far enough from any bound of a contract, near enough to be written.
FAR = Decimal(10) ** 6
FINE = Decimal("0.000000001")
TEXT_OPTIONS = {"minLength", "maxLength", "pattern"}
# Longer texts and numbers are not written out to try them.
LONGEST_TEXT = 20_000


def language(node: SchemaNode) -> Language:
    """The texts that the node's limits allow, its closed list aside."""
    options = node.facets.options
    lengths = [node.kind.length, options.get("maxLength")]
    longest = min((int(length) for length in lengths if length is not None), default=None)
    patterns = (options["pattern"],) if "pattern" in options else ()
    return Language(patterns, int(options.get("minLength", 0)), longest)


def step(kind: Kind) -> Decimal:
    """The smallest difference between two values of the kind that we care for."""
    if kind.name in ("integer", "date"):
        return Decimal(1)
    digits = kind.digits if kind.name in ("time", "timestamp") else kind.scale
    if abs(digits or 0) > MOST_DIGITS:
        return FINE
    if (kind.name == "decimal" and kind.precision is not None) or kind.name in (
        "time",
        "timestamp",
    ):
        return Decimal(1).scaleb(-(digits or 0))
    return FINE


def limits(kind: Kind) -> tuple[Decimal | None, Decimal | None]:
    """The closed bounds that the kind itself sets."""
    if kind.name == "integer":
        return (
            None if kind.low is None else Decimal(kind.low),
            None if kind.high is None else Decimal(kind.high),
        )
    if kind.name == "decimal" and kind.precision is not None:
        if kind.precision > MOST_DIGITS or abs(kind.scale or 0) > MOST_DIGITS:
            return None, None
        most = Decimal(10**kind.precision - 1).scaleb(-(kind.scale or 0))
        return -most, most
    if kind.name == "time":
        return Decimal(0), Decimal(86400) - step(kind)
    return None, None


def allowed(value: Any, node: SchemaNode) -> bool | None:
    """Whether a scalar column allows the value; None when that cannot be said."""
    if value is None:
        return not node.required
    if isinstance(value, Unreadable):
        return None
    listed = _listed(value, node.facets)
    if listed is False:
        return False
    inside = _inside(value, node)
    return inside if inside is False or listed else None


def _listed(value: Any, facets: Facets) -> bool | None:
    """Whether the closed list has it; None when a value of the list cannot be read."""
    if facets.values is None or facets.lists(value):
        return True
    return None if facets.unreadable else False


def _inside(value: Any, node: SchemaNode) -> bool | None:
    """Whether the limits beside the closed list allow it."""
    facets, domain = node.facets, domain_of(node.kind, node.logical)
    opaque = any(key.startswith("unread ") for key in facets.options)
    if domain.numeric or domain.temporal:
        if not isinstance(value, Decimal | int | float) or isinstance(value, bool):
            return False
        fits: bool | None = _number(Decimal(str(value)), node, domain)
        unknown = opaque or bool(facets.options.keys() & TEXT_OPTIONS)
    elif domain.name == "string":
        fits = isinstance(value, str) and _text(value, node)
        unknown = opaque or facets.low is not None or facets.high is not None
        unknown = unknown or "multipleOf" in facets.options
    else:
        fits = isinstance(value, bool) if domain.name == "boolean" else True
        unknown = bool(facets.options) or facets.low is not None or facets.high is not None
    return None if fits and unknown else fits


def of_kind(value: Any, kind: Kind) -> bool:
    """The value of a closed list is of the sort that the kind stores."""
    if isinstance(value, Unreadable):
        return False
    if kind.numeric or kind.temporal:
        return isinstance(value, Decimal | int | float) and not isinstance(value, bool)
    if kind.name in ("string", "boolean"):
        return isinstance(value, str if kind.name == "string" else bool)
    return True


def empty(node: SchemaNode) -> bool:
    """The limits of the column contradict each other: no value is valid."""
    facets, options = node.facets, node.facets.options
    if facets.values == ():
        return True
    if facets.low is not None and facets.high is not None:
        if facets.low > facets.high:
            return True
        if facets.low == facets.high and (facets.low_open or facets.high_open):
            return True
    for low, high in (("minLength", "maxLength"), ("minItems", "maxItems")):
        if low in options and high in options and options[low] > options[high]:
            return True
    listed = [value for value in facets.values or () if value is not None]
    return bool(listed) and all(allowed(value, node) is False for value in listed)


def same(first: Any, other: Any) -> bool:
    """JSON's equality: true is not 1, 1 is 1.0."""
    if isinstance(first, bool) or isinstance(other, bool):
        return first is other
    return bool(first == other)


def _number(value: Decimal, node: SchemaNode, kind: Kind) -> bool:
    facets = node.facets
    low, high = limits(kind)
    if (low is not None and value < low) or (high is not None and value > high):
        return False
    if facets.low is not None and (value < facets.low or (facets.low_open and value == facets.low)):
        return False
    if facets.high is not None and (
        value > facets.high or (facets.high_open and value == facets.high)
    ):
        return False
    if node.logical.name == "integer" and value % 1:
        return False
    exact = kind.name == "integer" or (kind.name == "decimal" and kind.precision is not None)
    if (exact or kind.temporal) and value % step(kind):
        return False
    factor = facets.options.get("multipleOf")
    return factor is None or value % Decimal(str(factor)) == 0


def _text(value: str, node: SchemaNode) -> bool | None:
    texts = language(node)
    if len(value) < texts.shortest or (texts.longest is not None and len(value) > texts.longest):
        return False
    if node.kind.fixed and node.kind.length is not None and len(value) != node.kind.length:
        return False
    results = [matches(pattern, value) for pattern in texts.patterns]
    return False if False in results else None if None in results else True


def candidates(node: SchemaNode, other: SchemaNode) -> Iterator[Any]:
    """Values at the edges of both columns; where two simple columns differ, one of these shows it."""
    for side in (node, other):
        yield from side.facets.values or ()
    if node.kind.numeric or node.kind.temporal:
        yield from _numbers(node, other)
    elif node.kind.name == "string":
        yield from _texts(node, other)
    elif node.kind.name == "boolean":
        yield from (True, False)


def _numbers(node: SchemaNode, other: SchemaNode) -> Iterator[Decimal]:
    small = Decimal(1) if node.logical.name == "integer" else step(node.kind)
    points = {Decimal(0), Decimal(1), Decimal(-1), FAR, -FAR}
    points |= {Decimal("0.5")} if small < 1 else set()
    edges: list[Decimal] = []
    for side in (node, other):
        edges += [edge for edge in (side.facets.low, side.facets.high) if edge is not None]
        edges += [edge for edge in limits(side.kind) if edge is not None]
        if side.kind.name == "float":
            # The first integers that a significand cannot hold.
            edges += [Decimal(2 ** (side.kind.bits or 0)), Decimal(-(2 ** (side.kind.bits or 0)))]
    points |= {edge + shift for edge in edges for shift in (-small, Decimal(0), small, 1, -1)}
    ordered = sorted(edges)
    points |= {(a + b) / 2 for a, b in pairwise(ordered)}
    for side in (node, other):
        if "multipleOf" in side.facets.options:
            factor = Decimal(str(side.facets.options["multipleOf"]))
            points |= {
                edge // factor * factor + factor * count
                for edge in {*edges, Decimal(0)}
                for count in (-1, 0, 1, 2, 3)
            }
            # Twice an integer that a significand cannot hold needs as many digits as itself.
            points |= {(edge + 1) * factor for edge in edges}
    for point in sorted(points, key=lambda value: (abs(value), value)):
        yield _trimmed(point - point % small)


def _trimmed(value: Decimal) -> Decimal:
    return Decimal(0) if value == 0 else value


def _texts(node: SchemaNode, other: SchemaNode) -> Iterator[str]:
    lengths = {0, 1, 3}
    for side in (node, other):
        texts = language(side)
        edges = {texts.shortest, texts.longest if texts.longest is not None else texts.shortest}
        lengths |= {edge + shift for edge in edges for shift in (-1, 0, 1)}
    pattern = node.facets.options.get("pattern")
    if pattern is None:
        # The empty text last: it is valid more often than it is telling.
        for length in sorted(lengths, key=lambda length: (length == 0, length)):
            if 0 <= length <= LONGEST_TEXT:
                yield "a" * length
        return
    text = example(language(node))
    if text is not None:
        yield text
    for side in node.raw.get("examples") or ():
        yield str(side)
    # At the edges of length only: each one costs an automaton.
    for length in sorted(length for length in lengths if 1 < length <= min(LONGEST, 256)):
        if (node.facets.options, node.kind.length) == (other.facets.options, other.kind.length):
            return
        text = example(Language((pattern,), length, length))
        if text is not None:
            yield text


def sample(node: SchemaNode, other: SchemaNode | None = None) -> Any:
    """A value of the scalar column, one that `other` allows too where there is one.

    Raises:
        LookupError: none was found.
    """
    good: list[Any] = []
    for value in candidates(node, other or node):
        if allowed(value, node):
            if other is None or allowed(value, other):
                return value
            good.append(value)
    if good:
        return good[0]
    if not node.required:
        return None
    raise LookupError(f"no value of {node.path} was found")
