"""Whether every value of one column is a value of another, facet by facet, with a value that is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from mbp.contracts.compatibility.change_model import ABSENT, Compatibility, Facets, SchemaNode
from mbp.contracts.compatibility.languages import Language, contained, why_undecided
from mbp.contracts.compatibility.values import allowed, candidates, empty, language, limits

_OPEN = Decimal("Infinity")


@dataclass(frozen=True)
class Inclusion:
    """The answer; `value` is one of the narrow column that breaks the facet."""

    verdict: Compatibility
    value: Any = ABSENT
    note: str = ""


UNREADABLE = "a value or a pattern could not be read as one of the column's type"
SAFE = Inclusion(Compatibility.OK)


def within(narrow: SchemaNode, wide: SchemaNode, facet: str) -> Inclusion:
    """Whether every value of `narrow` keeps the one facet of `wide`.

    Args:
        facet: 'minimum', 'maximum', 'values', or the name of an option like 'pattern'.
    """
    known = _known.get()
    key = (_signature(narrow), _signature(wide), facet)
    if known is not None and key in known:
        return known[key]
    inclusion = _guarded(narrow, wide, facet)
    if known is not None:
        known[key] = inclusion
    return inclusion


# Answers of one comparison of contracts: columns are often alike.
_known: ContextVar[dict[Any, Inclusion] | None] = ContextVar("known", default=None)


@contextmanager
def remembered() -> Iterator[None]:
    """Inside it a question about columns that are alike is answered once."""
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def _signature(node: SchemaNode) -> Any:
    facets = node.facets
    bounds = (facets.low, facets.low_open, facets.high, facets.high_open)
    options = repr(sorted(facets.options.items(), key=str))
    # Closed lists are long: two are one question only when they are one object.
    values = None if facets.values is None else id(facets.values)
    examples = repr(node.raw.get("examples"))
    return (node.kind, node.logical, node.required, bounds, options, values, examples)


def _guarded(narrow: SchemaNode, wide: SchemaNode, facet: str) -> Inclusion:
    try:
        return _within(narrow, wide, facet)
    except (ArithmeticError, ValueError, TypeError, RecursionError, MemoryError) as error:
        # Numbers beyond what can be computed with: not judged, and never ok.
        return Inclusion(
            Compatibility.UNKNOWN, note=f"{facet} could not be judged: {type(error).__name__}"
        )


def _within(narrow: SchemaNode, wide: SchemaNode, facet: str) -> Inclusion:
    only = only_facet(wide, facet, narrow)
    if only is None:
        return SAFE
    if empty(narrow):
        return Inclusion(
            Compatibility.UNKNOWN, note="no value is valid: the limits contradict each other"
        )
    if _holds(narrow, only, facet):
        return SAFE
    for value in candidates(narrow, only):
        if value is not None and allowed(value, narrow) and allowed(value, only) is False:
            return Inclusion(Compatibility.BREAK, value)
    if narrow.facets.values is not None:
        # Every value of the closed list was tried.
        judged = [
            allowed(value, narrow) is False or allowed(value, only)
            for value in narrow.facets.values
            if value is not None
        ]
        if all(verdict is True for verdict in judged):
            return SAFE
        return Inclusion(Compatibility.UNKNOWN, note=UNREADABLE)
    if facet in ("pattern", "minLength", "maxLength") and "pattern" in {
        *narrow.facets.options,
        *only.facets.options,
    }:
        return _texts_within(narrow, only)
    if facet in ("minLength", "maxLength") and _free_text(narrow):
        return Inclusion(Compatibility.BREAK)
    return Inclusion(
        Compatibility.UNKNOWN, note=f"no proof that {facet} holds, and no counterexample"
    )


def _free_text(node: SchemaNode) -> bool:
    """A text of every length that the column's limits of length leave is valid."""
    return node.kind.name == "string" and not node.facets.options.keys() - {
        "minLength",
        "maxLength",
    }


def value_within(value: Any, narrow: SchemaNode, wide: SchemaNode) -> Inclusion:
    """Whether the closed list of `wide` has a value that `narrow` lists, as far as that one is valid."""
    if wide.facets.values is None or wide.facets.lists(value):
        return SAFE
    valid = allowed(value, narrow)
    if valid and not wide.facets.unreadable:
        return Inclusion(Compatibility.BREAK, value)
    if valid is False:
        return SAFE
    return Inclusion(Compatibility.UNKNOWN, note=UNREADABLE)


def only_facet(wide: SchemaNode, facet: str, narrow: SchemaNode) -> SchemaNode | None:
    """A column of the narrow one's kind that has this one facet of the wide; None when it has none."""
    facets = wide.facets
    bare = replace(narrow, kind=replace(narrow.kind, length=None, fixed=False), facets=Facets())
    if narrow.kind.name != "string":
        bare = replace(narrow, facets=Facets())
    if facet == "minimum":
        edge = Facets(low=facets.low, low_open=facets.low_open)
        return None if facets.low is None else replace(bare, facets=edge)
    if facet == "maximum":
        edge = Facets(high=facets.high, high_open=facets.high_open)
        return None if facets.high is None else replace(bare, facets=edge)
    if facet == "values":
        return None if facets.values is None else replace(bare, facets=Facets(values=facets.values))
    if facet not in facets.options:
        return None
    return replace(bare, facets=Facets(options={facet: facets.options[facet]}))


def _holds(narrow: SchemaNode, only: SchemaNode, facet: str) -> bool:
    """The facet follows from the narrow column's same facet, or from its kind."""
    old, new = narrow.facets, only.facets
    if facet in ("minimum", "maximum"):
        return _interval_within(narrow, only)
    if facet == "values":
        if old.values is not None:
            return all(value is None or new.lists(value) for value in old.values)
        return narrow.kind.name == "boolean" and {True, False} <= set(new.values or ())
    before, after = old.options.get(facet), new.options[facet]
    if facet == "maxLength":
        longest = language(narrow).longest
        return longest is not None and longest <= after
    if facet == "minLength":
        return bool((before or 0) >= after)
    if facet == "multipleOf":
        if before is None:
            return narrow.kind.name == "integer" and Decimal(1) % Decimal(str(after)) == 0
        return Decimal(str(before)) % Decimal(str(after)) == 0
    return bool(before == after)


def _interval_within(narrow: SchemaNode, only: SchemaNode) -> bool:
    low, high = limits(narrow.kind)
    facets = narrow.facets
    lows = [(-_OPEN, True), (low if low is not None else -_OPEN, False)]
    lows += [(facets.low, facets.low_open)] if facets.low is not None else []
    highs = [(_OPEN, True), (high if high is not None else _OPEN, False)]
    highs += [(facets.high, facets.high_open)] if facets.high is not None else []
    lowest, low_open = max(lows, key=lambda edge: (edge[0], edge[1]))
    highest, high_open = min(highs, key=lambda edge: (edge[0], not edge[1]))
    wanted = only.facets
    if wanted.low is not None and (
        lowest < wanted.low or (lowest == wanted.low and wanted.low_open and not low_open)
    ):
        return False
    return not (
        wanted.high is not None
        and (
            highest > wanted.high or (highest == wanted.high and wanted.high_open and not high_open)
        )
    )


def _texts_within(narrow: SchemaNode, only: SchemaNode) -> Inclusion:
    texts = language(narrow)
    if narrow.kind.fixed and narrow.kind.length is not None:
        texts = Language(texts.patterns, narrow.kind.length, narrow.kind.length)
    verdict, text = contained(texts, language(only))
    if verdict is Compatibility.UNKNOWN:
        return Inclusion(verdict, note=why_undecided(texts, language(only)))
    return Inclusion(verdict, ABSENT if text is None else text)


def sizes_within(narrow: SchemaNode, wide: SchemaNode, facet: str) -> Inclusion:
    """Like `within` for the sizes of arrays and objects; `value` is a number of items."""
    before, after = narrow.facets.options.get(facet), wide.facets.options.get(facet)
    closed = len(narrow.children) if narrow.extra == "refused" else None
    if after is None or after is False or before == after:
        return SAFE
    smallest = int(narrow.facets.options.get("minItems", 0))
    largest = narrow.facets.options.get("maxItems")
    if facet == "maxItems":
        holds = largest is not None and largest <= after
        return SAFE if holds else Inclusion(Compatibility.BREAK, max(smallest, int(after) + 1))
    if facet == "minItems":
        return SAFE if smallest >= after else Inclusion(Compatibility.BREAK, smallest)
    if facet == "uniqueItems":
        holds = largest is not None and largest < 2  # noqa: PLR2004
        return SAFE if holds else Inclusion(Compatibility.BREAK, max(smallest, 2))
    if facet == "maxProperties" and closed is not None and closed <= after:
        return SAFE
    if facet == "minProperties" and sum(child.required for child in narrow.children) >= after:
        return SAFE
    loose = (before or 0) < after if facet == "minProperties" else before is None or before > after
    return (
        Inclusion(Compatibility.UNKNOWN, note=f"{facet} depends on the fields") if loose else SAFE
    )
