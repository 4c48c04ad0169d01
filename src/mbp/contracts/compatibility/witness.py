"""A row for every break: valid under one contract, invalid under the other.

The row is built from the contract and then confirmed by a JSON Schema validator, which knows nothing of
how the verdict came about. A row that is not confirmed is not shown.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator
from jsonschema_rs import ValidationErrorKind as Kinds

from mbp.contracts.compatibility.cells import MARK, cell, marked, row_schema
from mbp.contracts.compatibility.change_model import Change, Compatibility, Facets, Kind, SchemaNode
from mbp.contracts.compatibility.domain_values import EPOCH
from mbp.contracts.compatibility.values import allowed, candidates, sample

Tables = Mapping[str, SchemaNode]
Validator = Draft202012Validator
UNLISTED = "unlisted_column"
# Values of every sort, to show that a column which was free is not free any more.
SORTS: tuple[Any, ...] = (
    "text",
    marked(number=Decimal("0.5"), stored="scale 1", bits=0),
    True,
    [],
    marked(number=Decimal(-1), stored="integer", bits=1),
    marked(date=Decimal(0)),
)
ATTEMPTS = 80


# Building rows for people may take this long for all changes together.
TIME_LIMIT_SECONDS = 1.5
MOST_ITEMS = 500
MOST_VALUES = 20_000


class TooLargeError(Exception):
    """A row that shows the break would be too large."""


class TimeLimitError(Exception):
    """The time for all rows is used up."""


class Witnesses:
    """Makes the counterexamples of one pair of contracts."""

    def __init__(self, old: Tables, new: Tables) -> None:
        self.sides = {"old": old, "new": new}
        self.validators: dict[tuple[str, str, bool], Validator] = {}
        self.left = TIME_LIMIT_SECONDS
        self.sizes: dict[int, int] = {}

    def attach(self, change: Change) -> Change:
        """The change with a confirmed row for each broken direction, as far as one was found.

        A row is for people: whatever goes wrong with it is noted and leaves the verdict.
        """
        results: dict[str, Any] = {}
        notes: list[str] = []
        for direction, hint in change.witness.items():
            if getattr(change, direction) is not Compatibility.BREAK:
                continue
            started = time.process_time()
            try:
                row = self._row(direction, *hint)
                reason = ""
            except TooLargeError:
                row, reason = None, "the row would be too large"
            except TimeLimitError:
                row, reason = None, f"the {TIME_LIMIT_SECONDS} s for them were used up"
            except Exception as error:
                row, reason = None, f"{type(error).__name__} while building one"
            self.left -= time.process_time() - started
            if row is not None:
                results[direction] = row
            elif reason:
                notes.append(f"no counterexample shown: {reason}")
        note = "; ".join(dict.fromkeys([*([change.note] if change.note else []), *notes]))
        return replace(change, witness=results, note=note)

    def _row(self, direction: str, sort: str, path: str | None, payload: Any) -> Any:
        narrow_side, wide_side = ("old", "new") if direction == "backward" else ("new", "old")
        if self.left <= 0:
            raise TimeLimitError
        deadline = time.process_time() + self.left
        for narrow, wide in self._pairs(narrow_side, wide_side, path):
            if self._size(narrow) + self._size(wide) > MOST_VALUES:
                raise TooLargeError
            kinds: dict[str, Kind] = {}
            others: dict[str, Kind] = {}
            if sort == "type" and path is not None:
                kinds, others = {path: payload[0]}, {path: payload[1]}
            valid = self._validator(narrow_side, narrow, False, kinds)
            bare = _without_facets(wide, path) if sort == "type" and path is not None else wide
            refused = self._validator(wide_side, bare, direction == "forward", others)
            # A new name, or a new way with unlisted columns, touches the whole row.
            whole = path is None or sort in ("row", "extra")
            column = None if whole else str(path).removeprefix(f"{narrow.path}.")
            probe = _probe(bare, column, sort, direction == "forward", others)
            for row in islice(_attempts(narrow, wide, sort, path, payload, kinds), ATTEMPTS):
                if time.process_time() > deadline:
                    raise TimeLimitError
                if probe is not None and probe[1].is_valid(row.get(probe[0])):
                    continue  # the column itself is fine: no need to judge the whole row
                if valid.is_valid(row) and _refuses(refused, row, column):
                    return {"table": narrow.name, "row": shown(row)}
        return None

    def _pairs(
        self, narrow_side: str, wide_side: str, path: str | None
    ) -> Iterator[tuple[SchemaNode, SchemaNode]]:
        """The table that the path is in, and its counterpart."""
        ours, theirs = self.sides[narrow_side], self.sides[wide_side]
        first = str(path).partition(".")[0]
        names = [first] if first in ours else list(ours)
        for name, table in ((name, ours[name]) for name in names):
            if path is not None and path != name and not path.startswith(f"{name}."):
                continue
            other = theirs.get(name)
            if other is None:
                fresh = [theirs[key] for key in theirs if key not in ours]
                other = fresh[0] if len(fresh) == 1 else None
            if other is not None:
                yield table, other

    def _size(self, table: SchemaNode) -> int:
        if id(table) not in self.sizes:
            self.sizes[id(table)] = _values_in(table)
        return self.sizes[id(table)]

    def _validator(
        self, side: str, table: SchemaNode, by_name: bool, kinds: Mapping[str, Kind]
    ) -> Validator:
        key = (side, table.name, by_name)
        if kinds:
            return Draft202012Validator(row_schema(table, by_name=by_name, kinds=kinds))
        if key not in self.validators:
            self.validators[key] = Draft202012Validator(row_schema(table, by_name=by_name))
        return self.validators[key]


def _values_in(node: SchemaNode) -> int:
    """How many columns, fields and listed values it has."""
    return 1 + len(node.facets.values or ()) + sum(_values_in(child) for child in node.children)


def _probe(
    table: SchemaNode, column: str | None, sort: str, by_name: bool, kinds: Mapping[str, Kind]
) -> tuple[str, Validator] | None:
    """Judges one column alone, much faster than a row of fifty; None where the row as a whole counts."""
    if column is None or sort not in ("value", "size", "type"):
        return None
    for child in table.children:
        if _inside(column, child.name):
            return child.name, Draft202012Validator(row_schema(child, by_name=by_name, kinds=kinds))
    return None


def _inside(column: str, name: str) -> bool:
    return column == name or column.startswith((f"{name}.", f"{name}[", f"{name}{{"))


def _refuses(validator: Validator, row: Any, column: str | None) -> bool:
    """The row is invalid, and for this very column: other changes break other things."""
    for error in validator.iter_errors(row):
        first = str(error.instance_path[0]) if error.instance_path else None
        named = first is None and isinstance(
            error.kind, Kinds.Required | Kinds.AdditionalProperties
        )
        if column is None or UNLISTED in error.message:
            return True
        if first is not None and _inside(column, first):
            return True
        if named and (f'"{column}"' in error.message or f"'{column}'" in error.message):
            return True
    return False


def _without_facets(node: SchemaNode, path: str) -> SchemaNode:
    """The tree with nothing but the type at the path."""
    if node.path == path:
        return replace(node, facets=Facets())
    return replace(node, children=tuple(_without_facets(child, path) for child in node.children))


def _attempts(
    narrow: SchemaNode,
    wide: SchemaNode,
    sort: str,
    path: str | None,
    payload: Any,
    kinds: Mapping[str, Kind],
) -> Iterator[Any]:
    """Rows of the narrow contract that may show the break."""
    make = RowBuilder(narrow, wide, kinds)
    if path is None or sort == "row":
        if path is not None:
            yield from make.rows({path: ("any", None)})
        yield from make.rows({})
    elif sort == "value":
        yield from make.rows({path: ("value", payload)})
    elif sort == "size":
        yield from make.rows({path: ("size", payload)})
    elif sort == "type":
        for value in _values_of(narrow, path, payload[0], payload[1]):
            yield from make.rows({path: ("value", value)})
        yield from make.rows({path: ("any", None)})
    elif sort == "extra":
        yield from make.rows({f"{path}.{UNLISTED}": ("cell", True)})
        yield from make.rows({})
    else:
        yield from make.rows({path: ("any", None)})
        yield from make.rows({})
        for value in SORTS:
            yield from make.rows({path: ("cell", value)})


def _values_of(table: SchemaNode, path: str, kind: Kind, other: Kind) -> Iterator[Any]:
    node = find(table, path)
    if node is not None:
        mine, theirs = replace(node, kind=kind), replace(node, kind=other)
        yield from (value for value in candidates(mine, theirs) if allowed(value, mine))


def find(table: SchemaNode, path: str) -> SchemaNode | None:
    """The node at the path."""
    if table.path == path:
        return table
    for child in table.children:
        node = find(child, path)
        if node is not None:
            return node
    return None


class RowBuilder:
    """Builds rows: the wanted value in its place, everything else as harmless as can be."""

    def __init__(self, table: SchemaNode, other: SchemaNode, kinds: Mapping[str, Kind]) -> None:
        self.table, self.other, self.kinds = table, other, kinds

    def rows(self, put: Mapping[str, tuple[str, Any]]) -> Iterator[Any]:
        """One row, or none when some required column has no known value."""
        try:
            yield self._value(self.table, self.other, put)
        except LookupError:
            return

    def _value(
        self, node: SchemaNode, other: SchemaNode | None, put: Mapping[str, tuple[str, Any]]
    ) -> Any:
        sort, payload = put.get(node.path, ("", None))
        kind = self.kinds.get(node.path, node.kind)
        if sort == "cell":
            return payload
        if sort == "value":
            return cell(payload, kind)
        inside = any(path.startswith(node.path) for path in put)
        if not node.required and not inside:
            return None
        if kind.name == "object":
            return self._object(node, other, put)
        if kind.name in ("array", "multiset"):
            items = self._items(node, other, put, payload if sort == "size" else None)
            return items if kind.name == "array" else marked(multiset=items)
        if kind.name == "map":
            return self._map(node, other, put, inside)
        if kind.name in ("binary", "vector", "nominal"):
            return cell(kind.length or 1, kind)
        if kind.name == "unstated":
            return next(iter(node.facets.values or ("text",)))
        return cell(sample(node, other if other and other.kind == node.kind else None), kind)

    def _object(
        self, node: SchemaNode, other: SchemaNode | None, put: Mapping[str, tuple[str, Any]]
    ) -> Any:
        row: dict[str, Any] = {}
        for field in node.children:
            wanted = any(path.startswith(field.path) for path in put)
            if node.extra != "ignored" and not field.required and not wanted:
                continue  # a document leaves out what need not be there
            row[field.name] = self._value(field, other.child(field.name) if other else None, put)
        known = {field.path for field in node.children}
        for path, (sort, payload) in put.items():
            parent, _, name = path.rpartition(".")
            if parent == node.path and path not in known and sort == "cell":
                row[name] = payload
        return row

    def _items(
        self,
        node: SchemaNode,
        other: SchemaNode | None,
        put: Mapping[str, tuple[str, Any]],
        size: int | None,
    ) -> list[Any]:
        least = int(node.facets.options.get("minItems", 0))
        below = any(path.startswith(f"{node.path}[]") for path in put)
        count = size if size is not None else max(least, 1 if below else 0)
        if not count:
            return []
        if count > MOST_ITEMS:
            raise TooLargeError
        child = node.children[0] if node.children else None
        if child is None:
            return list(range(count))
        twin = other.children[0] if other and other.children else None
        if node.facets.options.get("uniqueItems"):
            distinct = [value for value in candidates(child, child) if allowed(value, child)]
            return [cell(value, child.kind) for value in dict.fromkeys(distinct)][:count]
        # Alike on purpose: an array of equal items shows what uniqueItems refuses.
        item = self._value(replace(child, required=True) if not below else child, twin, put)
        return [item] * count

    def _map(
        self,
        node: SchemaNode,
        other: SchemaNode | None,
        put: Mapping[str, tuple[str, Any]],
        inside: bool,
    ) -> Any:
        if not inside:
            return marked(entries=[])
        entry = {}
        for name, mark in (("key", "{key}"), ("value", "{}")):
            child = node.child(mark)
            if child is not None:
                twin = other.child(mark) if other else None
                entry[name] = self._value(child, twin, put)
        return marked(entries=[marked(**entry)])


def shown(value: Any) -> Any:
    """The row for people: numbers as they are written, times as ISO 8601."""
    if isinstance(value, Mapping):
        if not any(str(key).startswith(MARK) for key in value):
            return {key: shown(item) for key, item in value.items()}
        return _shown_cell({key.removeprefix(MARK): item for key, item in value.items()})
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, Decimal):
        if value == value.to_integral_value():
            return int(value)
        return float(value) if Decimal(repr(float(value))) == value else value
    return value


def _shown_cell(parts: Mapping[str, Any]) -> Any:
    for name in ("number", "multiset", "entries"):
        if name in parts:
            return shown(parts[name])
    for name in ("date", "time", "timestamp"):
        if name in parts:
            return _instant(name, parts[name], bool(parts.get("zoned")))
    if set(parts) <= {"key", "value"}:
        return {key: shown(item) for key, item in parts.items()}
    return f"<{', '.join(f'{key} {item}' for key, item in parts.items())}>"


def _instant(name: str, number: Decimal, zoned: bool) -> str:
    try:
        if name == "date":
            return (EPOCH.date() + timedelta(days=int(number))).isoformat()
        moment = EPOCH + timedelta(microseconds=int(number * 1_000_000))
    except (OverflowError, ValueError):
        return f"{number} after 1970-01-01"
    if name == "time":
        return moment.time().isoformat()
    return (moment if zoned else moment.replace(tzinfo=None)).isoformat()
