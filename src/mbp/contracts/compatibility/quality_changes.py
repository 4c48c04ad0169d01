"""Changes of quality rules: which results each rule accepts, before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

from mbp.contracts.compatibility.change_model import (
    BREAK,
    OK,
    UNKNOWN,
    Change,
    SchemaNode,
    entry_change,
)
from mbp.contracts.compatibility.domain_values import is_countable
from mbp.contracts.compatibility.odcs_tables import closes_values, custom
from mbp.contracts.compatibility.standard import STANDARD, form, paired, remainder
from mbp.contracts.rules import OPERATORS

Interval = tuple[Decimal, bool, Decimal, bool]
ALIASES = {"rule": "metric"}
FOR_PEOPLE = STANDARD["DataQuality"].documentation - {"customProperties"}
# More values in these lists mean a smaller result, respectively a larger one.
SHRINKING = {"validValues", "properties"}
GROWING = {"missingValues"}
SMALLEST, LARGEST = Decimal("-Infinity"), Decimal("Infinity")
# Counts and shares are never negative; what a query returns may be.
NONE: Interval = (Decimal(0), False, LARGEST, True)
ANY: Interval = (SMALLEST, True, LARGEST, True)


def quality_changes(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """Changes of the `quality` entries of one table or column."""
    before, after = _rules(old), _rules(new)
    listed, *alone = paired(_rules(old, closed=True), _rules(new, closed=True), IDENTITIES)
    for rule, other in listed:
        # The list itself is a limit of the column; what is said beside it is not.
        yield from _documents(rule, other, f"{new.path}.quality.{_label(other)}")
    # A closed list that tolerates other values from now on, or no longer, stays one rule.
    pairs, gone, fresh = paired([*before, *alone[0]], [*after, *alone[1]], IDENTITIES)
    for rule, other in pairs:
        path = f"{new.path}.quality.{_label(other)}"
        if form(rule) != form(other):
            changes = list(_changed(rule, other, path))
            yield from changes or remainder(rule, other, path)
    for rule in before:
        if any(rule is other for other in gone):
            verdict = OK if _lenient(rule) else BREAK
            path = f"{old.path}.quality.{_label(rule)}"
            yield Change("quality_rule_removed", path, OK, verdict, _shown(rule), None)
    for rule in after:
        if any(rule is other for other in fresh):
            verdict = OK if _lenient(rule) else BREAK
            path = f"{new.path}.quality.{_label(rule)}"
            yield Change("quality_rule_added", path, verdict, OK, None, _shown(rule))


def _rules(node: SchemaNode, *, closed: bool = False) -> list[dict[str, Any]]:
    """The entries, those that are closed lists of values apart: they are limits of the column."""
    return [
        {
            ALIASES.get(str(key), str(key)): _generic(value)
            for key, value in entry.items()
            if key != "type" or value != "library"
        }
        for entry in node.raw.get("quality") or ()
        if isinstance(entry, Mapping) and closes_values(entry) is closed
    ]


def _generic(value: Any) -> Any:
    """Versions that are published name the file of a test, `assert_<test>.sql`; it is a generic test now."""
    if isinstance(value, Mapping) and "singular" in value:
        return {"test": str(value["singular"]).removeprefix("assert_")}
    return value


# Rules of both sides are one rule by id, by name, alike, or by what they measure.
IDENTITIES = (
    lambda rule: rule.get("id"),
    lambda rule: rule.get("name"),
    lambda rule: json.dumps(_core(rule), sort_keys=True, default=str),
    lambda rule: str(rule.get("metric") or rule.get("type")),
)


def _core(rule: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted((key, rule[key]) for key in rule if key not in FOR_PEOPLE)


def _label(rule: Mapping[str, Any]) -> str:
    return str(rule.get("id") or rule.get("name") or rule.get("metric") or rule.get("type"))


def _lenient(rule: Mapping[str, Any]) -> bool:
    """A warning blocks nothing."""
    return str(rule.get("severity")).lower() in ("warning", "warn", "info")


def _shown(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {key: rule[key] for key in sorted(rule) if key in OPERATORS or key == "metric"}


def _changed(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Change]:
    if _lenient(old) != _lenient(new):
        code = "quality_severity_lowered" if _lenient(new) else "quality_severity_raised"
        verdicts = (OK, BREAK) if _lenient(new) else (BREAK, OK)
        yield Change(code, path, *verdicts, old.get("severity"), new.get("severity"))
    elif form(old.get("severity")) != form(new.get("severity")):
        words = {str(rule.get("severity", "error")).lower() for rule in (old, new)}
        known = _lenient(old) or len(words) == 1
        verdict = OK if known else UNKNOWN
        values = (old.get("severity"), new.get("severity"))
        yield Change("quality_severity_changed", path, verdict, verdict, *values)
    yield from _documents(old, new, path)
    skipped = {*OPERATORS, *FOR_PEOPLE, "severity", "customProperties", "unit", "arguments"}
    for key in sorted({*old, *new} - skipped):
        if form({key: old.get(key)}) != form({key: new.get(key)}):
            code = "quality_rule_changed" if key == "metric" else "quality_rule_undecided"
            verdict = BREAK if key == "metric" else UNKNOWN
            yield Change(code, f"{path}.{key}", verdict, verdict, old.get(key), new.get(key))
    if _lenient(old) and _lenient(new):
        for key in (*OPERATORS, "unit", "arguments"):
            if form({key: old.get(key)}) != form({key: new.get(key)}):
                note = "a warning blocks nothing"
                yield Change(
                    "metadata_changed", f"{path}.{key}", OK, OK, old.get(key), new.get(key), note
                )
        return
    yield from _results(old, new, path)


def _documents(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Change]:
    """What is said of a rule for people."""
    yield from _custom(old, new, path)
    for key in sorted({*old, *new} & FOR_PEOPLE):
        if form(old.get(key)) != form(new.get(key)):
            yield entry_change(f"{path}.{key}", old.get(key), new.get(key), known=True)


def _custom(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Change]:
    names = {
        str(entry.get("property"))
        for rule in (old, new)
        for entry in rule.get("customProperties") or ()
        if isinstance(entry, Mapping)
    }
    for name in sorted(names):
        before, after = custom(old, name), custom(new, name)
        if before == after:
            continue
        # `family` says which kind of constraint the rule is; properties of others are documentation.
        code, verdict = "metadata_changed", OK
        if name == "family":
            code, verdict = "unknown_changed", UNKNOWN
        elif name == "owner":
            code = "owner_changed"
        yield Change(code, f"{path}.{name}", verdict, verdict, before, after)


def _percent(rule: Mapping[str, Any]) -> bool:
    return str(rule.get("unit", "")).lower() in ("percent", "%", "percentage")


def _results(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Change]:
    """What the thresholds accept of the result, and how arguments move the result itself."""
    if _percent(old) != _percent(new):
        yield Change(
            "quality_rule_changed", f"{path}.unit", BREAK, BREAK, old.get("unit"), new.get("unit")
        )
        return
    if old.get("unit") != new.get("unit"):
        known = _percent(old) or not (old.get("unit") and new.get("unit"))
        yield entry_change(f"{path}.unit", old.get("unit"), new.get("unit"), known=known)
    accepted = _accepted(old), _accepted(new)
    moved = _moved(old.get("arguments") or {}, new.get("arguments") or {})
    shown = (_shown(old), _shown(new))
    if None in accepted or [] in accepted or moved is None:
        if accepted[0] != accepted[1] or moved is None or _shown(old) != _shown(new):
            yield Change("quality_rule_undecided", path, UNKNOWN, UNKNOWN, *shown)
        return
    before, after = accepted
    assert before is not None  # noqa: S101
    assert after is not None  # noqa: S101
    backward = _inside(before, after) and _kept(after, moved)
    forward = _inside(after, before) and _kept(
        before, {"up": "down", "down": "up"}.get(moved, moved)
    )
    if backward and forward:
        for key in (*OPERATORS, "arguments"):
            if form({key: old.get(key)}) != form({key: new.get(key)}):
                note = "the same in other words"
                values = old.get(key), new.get(key)
                yield Change("metadata_changed", f"{path}.{key}", OK, OK, *values, note)
        return
    code = "quality_rule_changed"
    if backward != forward:
        code = "quality_rule_loosened" if backward else "quality_rule_tightened"
    yield Change(code, path, OK if backward else BREAK, OK if forward else BREAK, *shown)


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Where the result of the same data goes: '', 'up', 'down', 'both'; None when not known."""
    directions: set[str] = set()
    for key in {*old, *new}:
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if key not in SHRINKING | GROWING or not (
            isinstance(before, list) and isinstance(after, list)
        ):
            return None
        more = any(value not in before for value in after)
        less = any(value not in after for value in before)
        directions |= {("up" if key in GROWING else "down")} if more else set()
        directions |= {("down" if key in GROWING else "up")} if less else set()
    return "both" if len(directions) > 1 else next(iter(directions), "")


def _kept(accepted: list[Interval], moved: str) -> bool:
    """A result that moves that way stays accepted, wherever it was."""
    if not moved:
        return True
    down = any((low, is_open) in (NONE[:2], ANY[:2]) for low, is_open, _, _ in accepted)
    up = any(high == LARGEST for _, _, high, _ in accepted)
    whole = len(accepted) == 1
    if moved == "down":
        return whole and down
    return whole and up if moved == "up" else whole and up and down


def _accepted(rule: Mapping[str, Any]) -> list[Interval] | None:
    """The results that the rule accepts, as disjoint intervals."""
    pairs: list[Interval] = [NONE if rule.get("metric") else ANY]
    operators = [key for key in OPERATORS if rule.get(key) is not None]
    if not operators:
        return None
    for key in operators:
        try:
            numbers = [
                Decimal(str(value))
                for value in (rule[key] if isinstance(rule[key], list) else [rule[key]])
            ]
        except InvalidOperation:
            return None
        if not numbers or not all(map(is_countable, numbers)):
            return None
        parts = _parts(key, numbers)
        if parts is None:
            return None
        pairs = [both for part in pairs for other in parts if (both := _meet(part, other))]
    if rule.get("metric") and not _percent(rule):
        pairs = [whole for part in pairs if (whole := _whole(part))]
    return pairs


def _whole(part: Interval) -> Interval | None:
    """The same whole numbers: what a metric counts has no others."""
    low, low_open, high, high_open = part
    first, last = low.to_integral_value(ROUND_CEILING), high.to_integral_value(ROUND_FLOOR)
    first += low_open and first == low
    last -= high_open and last == high and high != LARGEST
    return (first, False, last, high == LARGEST) if first <= last else None


def _parts(key: str, numbers: list[Decimal]) -> list[Interval] | None:
    low, high = numbers[0], numbers[-1]
    if len(numbers) != (2 if key.endswith("Between") else 1):
        return None
    outside: list[Interval] = [(SMALLEST, True, low, True), (high, True, LARGEST, True)]
    return {
        "mustBe": [(low, False, low, False)],
        "mustNotBe": outside,
        "mustBeBetween": [(low, False, high, False)],
        "mustNotBeBetween": outside,
        "mustBeGreaterThan": [(low, True, LARGEST, True)],
        "mustBeGreaterOrEqualTo": [(low, False, LARGEST, True)],
        "mustBeLessThan": [(SMALLEST, True, high, True)],
        "mustBeLessOrEqualTo": [(SMALLEST, True, high, False)],
    }[key]


def _meet(first: Interval, other: Interval) -> Interval | None:
    low, low_open = max((first[0], first[1]), (other[0], other[1]))
    high, not_open = min((first[2], not first[3]), (other[2], not other[3]))
    empty = low > high or (low == high and (low_open or not not_open))
    return None if empty else (low, low_open, high, not not_open)


def _inside(narrow: list[Interval], wide: list[Interval]) -> bool:
    return all(any(_meet(rule, other) == rule for other in wide) for rule in narrow)
