"""ODCS documents -> tables. Any ODCS is read, not only contracts that follow our own policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from mbp.contracts.compatibility.change_model import ABSENT, Extra, Facets, Kind, SchemaNode
from mbp.contracts.compatibility.domain_values import (
    UnreadableValueError,
    domain_of,
    number,
    value_in,
)
from mbp.contracts.compatibility.server_types import engines_of, kind_on, stored
from mbp.contracts.compatibility.type_text import label_of
from mbp.contracts.compatibility.types import CONTAINERS, logical
from mbp.core.errors import MbpError

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
BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
EXTRAS: dict[Any, Extra] = {None: "ignored", True: "accepted", False: "refused"}


def tables(document: Mapping[str, Any], where: str) -> dict[str, SchemaNode]:
    """Name -> table of the contract's schema; of tables of one name also by their physical name.

    Raises:
        MbpError: an entry that is no table or column, or a name that appears twice.
    """
    nodes: dict[str, SchemaNode] = {}
    servers = document.get("servers")
    reader = _Reader(where, engines_of(servers if isinstance(servers, list) else ()))
    entries = reader.mappings(document.get("schema"), "schema")
    reader.paths = dict(_paths(entries))
    often = Counter(str(entry.get("name")) for entry in entries)
    for entry in entries:
        name = reader.name(entry)
        if often[name] > 1 and entry.get("physicalName"):
            name = f"{name}({entry['physicalName']})"
        if name in nodes:
            fix = "keep one of the two, or give each its own physicalName"
            raise MbpError(f"the table {name!r} appears twice", path=where, fix=fix)
        nodes[name] = reader.table(entry, name)
    return nodes


def _paths(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """(path by ids, `table.column`) of the columns; an element without an id goes by its name."""
    for entry in entries:
        columns = entry.get("properties")
        for column in columns if isinstance(columns, list) else ():
            if isinstance(column, Mapping):
                table, name = (each.get("id") or each.get("name") for each in (entry, column))
                yield (
                    f"schema/{table}/properties/{name}",
                    f"{entry.get('name')}.{column.get('name')}",
                )


def custom(entry: Mapping[str, Any], name: str) -> Any:
    """The value of the customProperty, None when it is not there."""
    for item in entry.get("customProperties") or ():
        if isinstance(item, Mapping) and item.get("property") == name:
            return item.get("value")
    return None


def stored_name(entry: Mapping[str, Any]) -> str:
    """What the table or column is called in the database."""
    return str(entry.get("physicalName") or entry.get("name"))


def extra_of(entry: Mapping[str, Any]) -> Extra:
    """What the contract says of fields that it does not list."""
    stated = custom(entry, "additionalProperties")
    return EXTRAS[stated] if stated is None or isinstance(stated, bool) else "ignored"


class _Reader:
    """Reads the elements of one document."""

    def __init__(self, where: str, engines: tuple[str, ...]) -> None:
        self.where, self.engines = where, engines
        self.paths: Mapping[str, str] = {}

    def table(self, entry: Mapping[str, Any], name: str) -> SchemaNode:
        return SchemaNode(
            name=name,
            path=name,
            required=True,
            kind=Kind("object"),
            logical=Kind("object"),
            facets=Facets(options=self._limits(entry, name)),
            engines=self.engines,
            children=self._fields(entry, name),
            extra=extra_of(entry),
            raw=self._raw(entry),
        )

    def _raw(self, entry: Mapping[str, Any]) -> Mapping[str, Any]:
        """The entry; paths of its relationships that lead to columns of this document are written as names."""
        relationships = entry.get("relationships")
        if not isinstance(relationships, list):
            return entry
        named = [
            {
                key: self._named(value) if key in ("from", "to") else value
                for key, value in each.items()
            }
            if isinstance(each, Mapping)
            else each
            for each in relationships
        ]
        return {**entry, "relationships": named}

    def _named(self, value: Any) -> Any:
        if isinstance(value, list):
            names = [self._named(item) for item in value]
            return names[0] if len(names) == 1 else names
        return self.paths.get(value.removeprefix("/"), value) if isinstance(value, str) else value

    def _fields(self, entry: Mapping[str, Any], path: str) -> tuple[SchemaNode, ...]:
        fields: list[SchemaNode] = []
        demanded = self._options(entry, path).get("required")
        needed = demanded if isinstance(demanded, list) else ()
        for item in self.mappings(entry.get("properties"), f"{path}.properties"):
            name = self.name(item)
            field = self._node(item, name, f"{path}.{name}")
            fields.append(replace(field, required=True) if name in needed else field)
        known = {field.name for field in fields}
        # Of a field that is demanded and not described nothing is known but that it is there.
        undescribed = dict.fromkeys(str(name) for name in needed if name not in known)
        fields += [
            replace(self._node({}, name, f"{path}.{name}"), required=True) for name in undescribed
        ]
        often = Counter(node.name for node in fields)
        for name, count in often.items():
            if count > 1:
                what = f"{path}: the column {name!r} appears twice"
                raise MbpError(what, path=self.where, fix="keep one of the two")
        return tuple(fields)

    def _node(self, entry: Mapping[str, Any], name: str, path: str) -> SchemaNode:
        options = self._options(entry, path)
        promised = logical(entry.get("logicalType"), dict(options))
        stated = entry.get("physicalType")
        kind = kind_on(str(stated), self.engines) if stated else promised
        if kind.name == "nominal" and promised.name in CONTAINERS:
            # The children say what is stored; the type itself equals only itself.
            kind = replace(promised, label=label_of(str(stated)))
        engines = custom(entry, "physicalTypes") or {}
        default = custom(entry, "default")
        return SchemaNode(
            name=name,
            path=path,
            required=bool(entry.get("required", False)) or bool(entry.get("primaryKey", False)),
            kind=kind,
            logical=promised,
            facets=self._facets(entry, options, kind, promised, path),
            engines=self.engines,
            engine_kinds={
                str(engine): stored(str(text), str(engine))
                or Kind("nominal", label=label_of(str(text)))
                for engine, text in engines.items()
            }
            if isinstance(engines, Mapping)
            else {},
            children=self._children(entry, path),
            extra=extra_of(entry),
            default=ABSENT if default is None else default,
            raw=self._raw(entry),
        )

    def _children(self, entry: Mapping[str, Any], path: str) -> tuple[SchemaNode, ...]:
        if isinstance(entry.get("items"), Mapping):
            return (self._node(entry["items"], "[]", f"{path}[]"),)
        if isinstance(entry.get("map"), Mapping):
            parts = entry["map"]
            return tuple(
                self._node(parts[key], mark, f"{path}{mark}")
                for key, mark in (("key", "{key}"), ("value", "{}"))
                if isinstance(parts.get(key), Mapping)
            )
        return self._fields(entry, path)

    def _options(self, entry: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        options = entry.get("logicalTypeOptions") or {}
        if not isinstance(options, Mapping):
            what = f"{path}.logicalTypeOptions: expected keys, found {options!r}"
            raise MbpError(what, path=self.where, fix="write a mapping")
        return options

    def _limits(self, entry: Mapping[str, Any], path: str) -> dict[str, Any]:
        options = self._options(entry, path)
        if not options:
            return {}
        results = {key: options[key] for key in LIMITS if options.get(key) is not None}
        for key, value in results.items():
            if not _is_limit(key, value):
                what = f"{path}.{key}: {value!r} is not a valid limit"
                fix = "write a finite number, or a text for a pattern"
                raise MbpError(what, path=self.where, fix=fix)
        return results

    def _facets(
        self,
        entry: Mapping[str, Any],
        options: Mapping[str, Any],
        kind: Kind,
        promised: Kind,
        path: str,
    ) -> Facets:
        domain = domain_of(kind, promised)
        # Days and whole numbers have their own way of counting, however they are stored.
        counted = domain
        if not domain.temporal and (promised.temporal or promised.name == "integer"):
            counted = promised
        form = options.get("format") if promised.temporal else None
        limits = self._limits(entry, path)
        bounds: dict[str, Decimal] = {}
        for key, value in bounds_of(options).items():
            try:
                bounds[key] = number(value, counted, form)
            except UnreadableValueError as error:
                if not counted.temporal:
                    raise MbpError(
                        f"{path}.{key}: {error}", path=self.where, fix="correct the bound"
                    ) from error
                limits[f"unread {key}"] = str(value)
        low, low_open = _tightest(bounds.get("minimum"), bounds.get("exclusiveMinimum"), 1)
        high, high_open = _tightest(bounds.get("maximum"), bounds.get("exclusiveMaximum"), -1)
        if counted.name in ("integer", "date"):
            # Whole numbers: an open bound is the next closed one.
            if low is not None:
                whole = low.to_integral_value(rounding="ROUND_FLOOR")
                low, low_open = (whole + 1 if low_open or whole != low else whole), False
            if high is not None:
                whole = high.to_integral_value(rounding="ROUND_CEILING")
                high, high_open = (whole - 1 if high_open or whole != high else whole), False
        written = self._values(entry, path, domain, form)
        values = None if written is None else tuple(value for value, _ in written)
        texts = () if written is None else tuple(text for _, text in written)
        return Facets(low, low_open, high, high_open, limits, values, texts)

    def _values(
        self, entry: Mapping[str, Any], path: str, domain: Kind, form: str | None
    ) -> list[tuple[Any, Any]] | None:
        """The closed list as (value, as written): ODCS `enum`, or a library rule that tolerates no other."""
        lists: list[list[Any]] = []
        if entry.get("enum") is not None:
            items = entry["enum"]
            if not isinstance(items, list):
                what = f"{path}.enum: expected a list, found {items!r}"
                raise MbpError(what, path=self.where, fix="write a list")
            lists.append(
                [item.get("value") if isinstance(item, Mapping) else item for item in items]
            )
        for rule in entry.get("quality") or ():
            if closes_values(rule):
                lists.append(list(rule["arguments"]["validValues"]))
        if not lists:
            return None
        read = [
            {_key(listed := value_in(value, domain, form)): (listed, value) for value in values}
            for values in lists
        ]
        kept = {
            key: pair for key, pair in read[0].items() if all(key in pairs for pairs in read[1:])
        }
        return [kept[key] for key in sorted(kept)]

    def name(self, entry: Mapping[str, Any]) -> str:
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise MbpError(
                f"expected a name, found {name!r}", path=self.where, fix="name the element"
            )
        return name

    def mappings(self, value: Any, what: str) -> list[Mapping[str, Any]]:
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise MbpError(
                f"{what}: expected a list of entries", path=self.where, fix="follow ODCS"
            )
        return value


def _key(value: Any) -> tuple[str, str]:
    """Equal for equal values, and an order of them."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return (str(type(value)), str(value))
    plain = Decimal(value)
    return ("number", str(plain.normalize() if plain else Decimal(0)))


def _is_limit(key: str, value: Any) -> bool:
    if key == "pattern":
        return isinstance(value, str)
    if key == "uniqueItems":
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    return Decimal(str(value)).is_finite() and (key != "multipleOf" or value > 0)


def bounds_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The bounds as they are now: in ODCS 3.0 `exclusiveMinimum: true` closes off the minimum itself."""
    results = {key: options[key] for key in BOUNDS if options.get(key) is not None}
    for plain, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(results.get(exclusive), bool) and results.pop(exclusive) and plain in results:
            results[exclusive] = results.pop(plain)
    return results


def _tightest(
    closed: Decimal | None, opened: Decimal | None, sign: int
) -> tuple[Decimal | None, bool]:
    if opened is not None and (closed is None or (opened - closed) * sign >= 0):
        return opened, True
    return closed, False


def closes_values(rule: Any) -> bool:
    """The quality rule is a closed list of values and nothing else."""
    return (
        isinstance(rule, Mapping)
        and rule.get("metric", rule.get("rule")) == "invalidValues"
        and isinstance(rule.get("arguments"), Mapping)
        and isinstance(rule["arguments"].get("validValues"), list)
        and set(rule["arguments"]) == {"validValues"}
        and rule.get("mustBe") == 0
        and not isinstance(rule.get("mustBe"), bool)
        and rule.get("severity", "error") == "error"
    )
