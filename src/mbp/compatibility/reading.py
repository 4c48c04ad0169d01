"""ODCS documents -> tables. Any ODCS is read, not only contracts that follow our own policy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from mbp.compatibility.model import ABSENT, Extra, Facets, Kind, Node
from mbp.compatibility.types import logical, physical
from mbp.errors import MbpError

LIMITS = (
    "minLength",
    "maxLength",
    "pattern",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)
EXTRAS: dict[Any, Extra] = {None: "ignored", True: "accepted", False: "refused"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tables(document: Mapping[str, Any], where: str) -> dict[str, Node]:
    """Name -> table of the contract's schema.

    Raises:
        MbpError: an entry that is no table or column, or a name that stands twice.
    """
    found: dict[str, Node] = {}
    for entry in _mappings(document.get("schema"), where, "schema"):
        table = _object(entry, _name(entry, where), _name(entry, where), where)
        if table.name in found:
            raise MbpError(
                f"the table {table.name!r} stands twice", path=where, cure="keep one of the two"
            )
        found[table.name] = table
    return found


def custom(entry: Mapping[str, Any], name: str) -> Any:
    """The value of the customProperty, None when it is not there."""
    for item in entry.get("customProperties") or ():
        if isinstance(item, Mapping) and item.get("property") == name:
            return item.get("value")
    return None


def stored_name(entry: Mapping[str, Any]) -> str:
    """What the table or column is called in the database."""
    return str(entry.get("physicalName") or entry.get("name"))


def _object(entry: Mapping[str, Any], name: str, path: str, where: str) -> Node:
    return Node(
        name=name,
        path=path,
        required=True,
        kind=Kind("object"),
        logical=Kind("object"),
        facets=Facets(options=_limits(entry)),
        children=_fields(entry, path, where),
        extra=EXTRAS.get(custom(entry, "additionalProperties"), "ignored"),
        raw=entry,
    )


def _fields(entry: Mapping[str, Any], path: str, where: str) -> tuple[Node, ...]:
    fields = tuple(
        _node(item, _name(item, where), f"{path}.{_name(item, where)}", where)
        for item in _mappings(entry.get("properties"), where, f"{path}.properties")
    )
    seen: set[str] = set()
    for node in fields:
        if node.name in seen:
            raise MbpError(
                f"{path}: the column {node.name!r} stands twice",
                path=where,
                cure="keep one of the two",
            )
        seen.add(node.name)
    return fields


def _node(entry: Mapping[str, Any], name: str, path: str, where: str) -> Node:
    options = entry.get("logicalTypeOptions") or {}
    if not isinstance(options, Mapping):
        raise MbpError(
            f"{path}.logicalTypeOptions: expected keys, found {options!r}",
            path=where,
            cure="write a mapping",
        )
    promised = logical(entry.get("logicalType"), dict(options))
    stated = entry.get("physicalType")
    stored = physical(str(stated)) if stated else promised
    if stored.name == "nominal" and promised.name in ("array", "object", "map", "multiset"):
        stored = promised  # the children say what is stored
    # Days and whole numbers have their own way of counting, however they are stored.
    counted = promised if promised.temporal or promised.name == "integer" else stored
    engines = custom(entry, "physicalTypes") or {}
    default = custom(entry, "default")
    return Node(
        name=name,
        path=path,
        required=bool(entry.get("required", False)) or bool(entry.get("primaryKey", False)),
        kind=stored,
        logical=promised,
        facets=_facets(entry, options, counted, path, where),
        engine_kinds={str(engine): physical(str(text)) for engine, text in engines.items()}
        if isinstance(engines, Mapping)
        else {},
        children=_children(entry, path, where),
        extra=EXTRAS.get(custom(entry, "additionalProperties"), "ignored"),
        default=ABSENT if default is None else default,
        raw=entry,
    )


def _children(entry: Mapping[str, Any], path: str, where: str) -> tuple[Node, ...]:
    kind = entry.get("logicalType")
    if kind in ("array", "multiset") and isinstance(entry.get("items"), Mapping):
        return (_node(entry["items"], "[]", f"{path}[]", where),)
    if kind == "map" and isinstance(entry.get("map"), Mapping):
        parts = entry["map"]
        return tuple(
            _node(parts[key], mark, f"{path}{mark}", where)
            for key, mark in (("key", "{key}"), ("value", "{}"))
            if isinstance(parts.get(key), Mapping)
        )
    return _fields(entry, path, where)


def _limits(entry: Mapping[str, Any]) -> dict[str, Any]:
    options = entry.get("logicalTypeOptions") or {}
    return {key: options[key] for key in LIMITS if options.get(key) is not None}


def _facets(
    entry: Mapping[str, Any], options: Mapping[str, Any], kind: Kind, path: str, where: str
) -> Facets:
    bounds = {
        key: number(options[key], kind, f"{path}.{key}", where)
        for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
        if options.get(key) is not None
    }
    low, low_open = _tightest(bounds.get("minimum"), bounds.get("exclusiveMinimum"), 1)
    high, high_open = _tightest(bounds.get("maximum"), bounds.get("exclusiveMaximum"), -1)
    if kind.name in ("integer", "date"):
        # Whole numbers: an open bound is the next closed one.
        if low is not None:
            whole = low.to_integral_value(rounding="ROUND_FLOOR")
            low, low_open = (whole + 1 if low_open or whole != low else whole), False
        if high is not None:
            whole = high.to_integral_value(rounding="ROUND_CEILING")
            high, high_open = (whole - 1 if high_open or whole != high else whole), False
    return Facets(low, low_open, high, high_open, _limits(entry), _values(entry, path, where))


def _tightest(
    closed: Decimal | None, opened: Decimal | None, sign: int
) -> tuple[Decimal | None, bool]:
    if opened is not None and (closed is None or (opened - closed) * sign >= 0):
        return opened, True
    return closed, False


def _values(entry: Mapping[str, Any], path: str, where: str) -> tuple[Any, ...] | None:
    """The closed list: ODCS `enum`, or a library rule that tolerates no other value."""
    lists: list[list[Any]] = []
    if entry.get("enum") is not None:
        items = entry["enum"]
        if not isinstance(items, list):
            raise MbpError(
                f"{path}.enum: expected a list, found {items!r}", path=where, cure="write a list"
            )
        lists.append([item.get("value") if isinstance(item, Mapping) else item for item in items])
    for rule in entry.get("quality") or ():
        if closes_values(rule):
            lists.append(list(rule["arguments"]["validValues"]))
    if not lists:
        return None
    kept = [value for value in lists[0] if all(value in other for other in lists[1:])]
    return tuple(sorted(set(kept), key=lambda value: (str(type(value)), str(value))))


def closes_values(rule: Any) -> bool:
    """The quality rule is a closed list of values and nothing else."""
    return (
        isinstance(rule, Mapping)
        and rule.get("metric", rule.get("rule")) == "invalidValues"
        and isinstance(rule.get("arguments"), Mapping)
        and isinstance(rule["arguments"].get("validValues"), list)
        and set(rule["arguments"]) == {"validValues"}
        and rule.get("mustBe") == 0
        and rule.get("severity", "error") == "error"
    )


def number(value: Any, kind: Kind, path: str, where: str) -> Decimal:
    """A bound as a number: itself, days (date), or seconds (time, timestamp).

    Raises:
        MbpError: it is neither.
    """
    try:
        if kind.name == "date":
            return Decimal((date.fromisoformat(str(value)[:10]) - EPOCH.date()).days)
        if kind.name == "time":
            clock = time.fromisoformat(str(value))
            whole = clock.hour * 3600 + clock.minute * 60 + clock.second
            return whole + Decimal(clock.microsecond) / 1_000_000
        if kind.name == "timestamp":
            instant = datetime.fromisoformat(str(value))
            gap = (instant if instant.tzinfo else instant.replace(tzinfo=UTC)) - EPOCH
            return gap.days * 86400 + gap.seconds + Decimal(gap.microseconds) / 1_000_000
        if isinstance(value, bool):
            raise ValueError
        found = Decimal(str(value))
    except (ValueError, InvalidOperation) as error:
        raise MbpError(
            f"{path}: expected a {kind.name if kind.temporal else 'number'}, found {value!r}",
            path=where,
            cure="correct the bound",
        ) from error
    if not found.is_finite():
        raise MbpError(
            f"{path}: expected a finite number, found {value!r}", path=where, cure="write a number"
        )
    return found


def _name(entry: Mapping[str, Any], where: str) -> str:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise MbpError(f"expected a name, found {name!r}", path=where, cure="name the element")
    return name


def _mappings(value: Any, where: str, what: str) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise MbpError(f"{what}: expected a list of entries", path=where, cure="follow ODCS")
    return value
