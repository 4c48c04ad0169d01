"""Changes of the values a column allows: bounds, closed lists, patterns, lengths, sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mbp.contracts.compatibility.change_codes import snake
from mbp.contracts.compatibility.change_model import (
    ABSENT,
    Change,
    Compatibility,
    Facets,
    SchemaNode,
)
from mbp.contracts.compatibility.domain_values import domain_of
from mbp.contracts.compatibility.domains import SAFE, Inclusion, sizes_within, value_within, within
from mbp.contracts.compatibility.odcs_tables import bounds_of
from mbp.contracts.compatibility.values import of_kind

UNKNOWN = Compatibility.UNKNOWN
STRANGE = Inclusion(Compatibility.UNKNOWN, note="the value is not one of the column's type")
CONTRADICTION = Inclusion(
    Compatibility.UNKNOWN, note="the closed lists of the column share no value"
)
SIZES = ("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties")


def facet_changes(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """Changes of the limits of one column, each judged among the values that its contract allows."""
    if _sort(old) != _sort(new) and "unstated" not in (_sort(old), _sort(new)):
        return  # limits of texts and of numbers do not compare: the change of type says it all
    yield from _bound(old, new, "minimum")
    yield from _bound(old, new, "maximum")
    yield from _values(old, new)
    for option in sorted({*old.facets.options, *new.facets.options}):
        before, after = old.facets.options.get(option), new.facets.options.get(option)
        if before == after or _meaningless(option, before, after):
            continue
        if option.startswith("unread "):
            path = f"{new.path}.{option.removeprefix('unread ')}"
            note = "the bound could not be read as a value of the column's type"
            yield Change("unknown_changed", path, UNKNOWN, UNKNOWN, before, after, note)
            continue
        judge = sizes_within if option in SIZES else within
        backward, forward = judge(old, new, option), judge(new, old, option)
        if option == "pattern":
            yield _change(
                _pattern_code(before, after, old, new),
                old,
                new,
                option,
                before,
                after,
                backward,
                forward,
            )
            continue
        code = f"{snake(option)}_{_direction(option, before, after)}"
        yield _change(code, old, new, option, before, after, backward, forward)


def _sort(node: SchemaNode) -> str:
    return "number" if node.kind.numeric else node.kind.name


def _meaningless(option: str, before: Any, after: Any) -> bool:
    """`uniqueItems: false` and a minimum of nothing say nothing; a maximum of nothing says a lot."""
    return not option.startswith("max") and not before and not after


def _direction(option: str, before: Any, after: Any) -> str:
    if option == "multipleOf" and None not in (before, after):
        if before % after == 0:
            return "loosened"
        return "tightened" if after % before == 0 else "changed"
    if option == "uniqueItems" or None in (before, after):
        return "loosened" if after is None or after is False else "tightened"
    return "tightened" if (after > before) == option.startswith("min") else "loosened"


def _pattern_code(before: str | None, after: str | None, old: SchemaNode, new: SchemaNode) -> str:
    """Named by the two languages alone, whatever the other limits of the column are."""
    if before is None or after is None:
        return "pattern_added" if before is None else "pattern_removed"
    alone = [
        replace(node, facets=Facets(options={"pattern": text}))
        for node, text in ((old, before), (new, after))
    ]
    verdicts = (
        within(alone[0], alone[1], "pattern").verdict,
        within(alone[1], alone[0], "pattern").verdict,
    )
    if Compatibility.UNKNOWN in verdicts and Compatibility.BREAK not in verdicts:
        return "pattern_undecided"
    return {
        (Compatibility.OK, Compatibility.OK): "pattern_respelled",
        (Compatibility.OK, Compatibility.BREAK): "pattern_loosened",
        (Compatibility.BREAK, Compatibility.OK): "pattern_tightened",
        (Compatibility.BREAK, Compatibility.BREAK): "pattern_changed",
    }.get(verdicts, "pattern_undecided")


def _bound(old: SchemaNode, new: SchemaNode, edge: str) -> Iterator[Change]:
    low = edge == "minimum"
    before = (
        (old.facets.low, old.facets.low_open) if low else (old.facets.high, old.facets.high_open)
    )
    after = (
        (new.facets.low, new.facets.low_open) if low else (new.facets.high, new.facets.high_open)
    )
    if before == after:
        return
    if before[0] is None or after[0] is None:
        suffix = "added" if before[0] is None else "removed"
    elif before[0] == after[0]:
        suffix = "made_exclusive" if after[1] else "made_inclusive"
    else:
        suffix = "raised" if after[0] > before[0] else "lowered"
    yield _change(
        f"{edge}_{suffix}",
        old,
        new,
        edge,
        _written(old, edge),
        _written(new, edge),
        within(old, new, edge),
        within(new, old, edge),
    )


def _written(node: SchemaNode, edge: str) -> Any:
    """The bound as the contract writes it."""
    options = bounds_of(node.raw.get("logicalTypeOptions") or {})
    exclusive = f"exclusive{edge.capitalize()}"
    if options.get(exclusive) is not None:
        return f"{'>' if edge == 'minimum' else '<'} {options[exclusive]}"
    if options.get(edge) is not None:
        return f"{'>=' if edge == 'minimum' else '<='} {options[edge]}"
    return None


def _values(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    before, after = old.facets.values, new.facets.values
    if before == after:
        return
    if before is None or after is None:
        code = "enum_added" if before is None else "enum_removed"
        yield _change(
            code,
            old,
            new,
            "enum",
            None if before is None else old.facets.texts,
            None if after is None else new.facets.texts,
            within(old, new, "values"),
            within(new, old, "values"),
        )
        return
    for value in before:
        if not new.facets.lists(value):
            text = old.facets.written(value)
            inclusion = value_within(value, old, new)
            back = CONTRADICTION if after == () else SAFE
            yield _change("enum_value_removed", old, new, "enum", text, None, inclusion, back)
    for value in after:
        if not old.facets.lists(value):
            strange = value is not None and not of_kind(value, domain_of(new.kind, new.logical))
            inclusion = STRANGE if strange else value_within(value, new, old)
            text = new.facets.written(value)
            there = CONTRADICTION if before == () else SAFE
            yield _change("enum_value_added", old, new, "enum", None, text, there, inclusion)


def _change(
    code: str,
    old: SchemaNode,
    new: SchemaNode,
    part: str,
    before: Any,
    after: Any,
    backward: Inclusion,
    forward: Inclusion,
) -> Change:
    witness: dict[str, Any] = {}
    kind = "size" if part in SIZES else "value"
    for direction, node, inclusion in (("backward", old, backward), ("forward", new, forward)):
        if inclusion.verdict is Compatibility.BREAK and inclusion.value is not ABSENT:
            witness[direction] = (kind, node.path, inclusion.value)
    return Change(
        code,
        f"{new.path}.{part}",
        backward.verdict,
        forward.verdict,
        before,
        after,
        note=backward.note or forward.note,
        witness=witness,
    )
