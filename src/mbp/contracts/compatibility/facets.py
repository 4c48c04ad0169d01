"""Changes of the values a column allows: bounds, closed lists, patterns, lengths, sizes, formats of a text."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from mbp.contracts.compatibility.change_model import (
    ABSENT,
    BREAK,
    OK,
    UNKNOWN,
    Change,
    Compatibility,
    Facets,
    SchemaNode,
    snake,
    value_key,
)
from mbp.contracts.compatibility.domain_values import domain_of
from mbp.contracts.compatibility.domains import SAFE, Inclusion, sizes_within, value_within, within
from mbp.contracts.compatibility.odcs_tables import bounds_of
from mbp.contracts.compatibility.values import allowed, candidates, of_kind

STRANGE = Inclusion(Compatibility.UNKNOWN, note="the value is not one of the column's type")
CONTRADICTION = Inclusion(
    Compatibility.UNKNOWN, note="the closed lists of the column share no value"
)
DIRECTIONS = ("backward", "forward")
SIZES = ("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties")
# Format -> the formats that hold all of its texts.
WITHIN = {
    "ipv4": {"hostname", "idn-hostname"},
    "hostname": {"idn-hostname"},
    "email": {"idn-email"},
    "url": {"uri", "iri", "uri-reference", "iri-reference"},
    "uri": {"iri", "uri-reference", "iri-reference"},
    "uri-reference": {"iri-reference"},
    "iri": {"iri-reference"},
}
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)


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
        inclusions = judge(old, new, option), judge(new, old, option)
        code = f"{snake(option)}_{_direction(option, before, after)}"
        if option == "pattern":
            code = _pattern_code(before, after, old, new)
        yield _change(code, (old, new), option, (before, after), inclusions)


def _sort(node: SchemaNode) -> str:
    return "number" if node.kind.numeric else node.kind.name


def _meaningless(option: str, before: Any, after: Any) -> bool:
    """`uniqueItems: false` and a minimum of nothing say nothing; a maximum of nothing says a lot."""
    return not option.startswith("max") and not before and not after


def _direction(option: str, before: Any, after: Any) -> str:
    if option == "multipleOf" and None not in (before, after):
        before, after = Decimal(str(before)), Decimal(str(after))
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
    one, other = (
        replace(node, facets=Facets(options={"pattern": text}))
        for node, text in ((old, before), (new, after))
    )
    verdicts = (within(one, other, "pattern").verdict, within(other, one, "pattern").verdict)
    if Compatibility.UNKNOWN in verdicts and Compatibility.BREAK not in verdicts:
        return "pattern_undecided"
    return {
        (Compatibility.OK, Compatibility.OK): "pattern_respelled",
        (Compatibility.OK, Compatibility.BREAK): "pattern_loosened",
        (Compatibility.BREAK, Compatibility.OK): "pattern_tightened",
        (Compatibility.BREAK, Compatibility.BREAK): "pattern_changed",
    }.get(verdicts, "pattern_undecided")


def _bound(old: SchemaNode, new: SchemaNode, edge: str) -> Iterator[Change]:
    before, after = (
        (node.facets.low, node.facets.low_open)
        if edge == "minimum"
        else (node.facets.high, node.facets.high_open)
        for node in (old, new)
    )
    if before == after:
        return
    if before[0] is None or after[0] is None:
        suffix = "added" if before[0] is None else "removed"
    elif before[0] == after[0]:
        suffix = "made_exclusive" if after[1] else "made_inclusive"
    else:
        suffix = "raised" if after[0] > before[0] else "lowered"
    written = _written(old, edge), _written(new, edge)
    inclusions = within(old, new, edge), within(new, old, edge)
    yield _change(f"{edge}_{suffix}", (old, new), edge, written, inclusions)


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
    if before == after and list(map(value_key, before or ())) == list(map(value_key, after or ())):
        return
    if before is None or after is None:
        code = "enum_added" if before is None else "enum_removed"
        texts = (
            None if before is None else old.facets.texts,
            None if after is None else new.facets.texts,
        )
        inclusions = within(old, new, "values"), within(new, old, "values")
        yield _change(code, (old, new), "enum", texts, inclusions)
        return
    for value in before:
        if not new.facets.lists(value):
            text = old.facets.written(value)
            inclusion = value_within(value, old, new)
            back = CONTRADICTION if after == () else SAFE
            both = inclusion, back
            yield _change("enum_value_removed", (old, new), "enum", (text, None), both)
    for value in after:
        if not old.facets.lists(value):
            strange = value is not None and not of_kind(value, domain_of(new.kind, new.logical))
            inclusion = STRANGE if strange else value_within(value, new, old)
            text = new.facets.written(value)
            there = CONTRADICTION if before == () else SAFE
            both = there, inclusion
            yield _change("enum_value_added", (old, new), "enum", (None, text), both)


def _change(
    code: str,
    nodes: tuple[SchemaNode, SchemaNode],
    part: str,
    texts: tuple[Any, Any],
    inclusions: tuple[Inclusion, Inclusion],
) -> Change:
    kind = "size" if part in SIZES else "value"
    witness = {
        direction: (kind, node.path, inclusion.value)
        for direction, node, inclusion in zip(DIRECTIONS, nodes, inclusions, strict=True)
        if inclusion.verdict is Compatibility.BREAK and inclusion.value is not ABSENT
    }
    backward, forward = inclusions
    verdicts, note = (backward.verdict, forward.verdict), backward.note or forward.note
    return Change(code, f"{nodes[1].path}.{part}", *verdicts, *texts, note, witness)


def _uri(text: str) -> bool | None:
    return None if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text) else False


CHECKS: dict[str, Callable[[str], bool | None]] = {
    "uuid": lambda text: str(UUID(text)) == text.lower(),
    "ipv4": lambda text: bool(ipaddress.IPv4Address(text)) or True,
    "ipv6": lambda text: bool(ipaddress.IPv6Address(text)) or True,
    # Texts that no reader of RFC 5321 takes; whether one takes the others depends on the reader.
    "email": lambda text: False if "@" not in text or " " in text else None,
    "hostname": lambda text: len(text) <= 253 and _HOST.fullmatch(text) is not None,  # noqa: PLR2004
    "uri": _uri,
    "url": _uri,
}


def of_format(text: str, name: str) -> bool | None:
    """Whether the text has the format; None when that is not known."""
    check = CHECKS.get(name.lower())
    if check is None:
        return None
    try:
        return check(text)
    except ValueError:
        return False


def format_changes(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """The change of `format` between two columns of texts."""
    before, after = _format(old), _format(new)
    code = "format_added" if before is None else "format_removed" if after is None else None
    yield Change(
        code or "format_changed",
        f"{new.path}.logicalTypeOptions.format",
        _within(old, before, after),
        _within(new, after, before),
        before,
        after,
    )


def _format(node: SchemaNode) -> str | None:
    name: Any = (node.raw.get("logicalTypeOptions") or {}).get("format")
    return None if name is None else str(name)


def _within(node: SchemaNode, mine: str | None, wanted: str | None) -> Compatibility:
    """Whether every text of the column has the wanted format."""
    if wanted is None:
        return OK
    if mine and wanted.lower() in {mine.lower(), *WITHIN.get(mine.lower(), ())}:
        return OK
    listed = node.facets.values
    if listed is not None and not node.facets.unreadable:
        results = {
            of_format(value, wanted)
            for value in listed
            if isinstance(value, str) and allowed(value, node) is not False
        }
        return BREAK if False in results and mine is None else OK if results <= {True} else UNKNOWN
    if mine is None:
        for text in candidates(node, node):
            if allowed(text, node) and of_format(str(text), wanted) is False:
                return BREAK
    return UNKNOWN
