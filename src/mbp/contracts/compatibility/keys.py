"""Changes of primary keys, unique columns and references."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mbp.contracts.compatibility.change_model import (
    BREAK,
    OK,
    Change,
    Compatibility,
    SchemaNode,
    entry_change,
)
from mbp.contracts.compatibility.standard import form, remainder

PATH = re.compile(r"(?:[^#\s]*#)?/?schema/([^/\s]+)/properties/([^/\s]+)")


def table_key_changes(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """Changes of the table's primary key (as a set), of its references and its partitions."""
    yield from _key_changes(old, new)
    yield from _references(old, new)


def _key_changes(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """Changes of the columns that are the key, and of those it is partitioned by."""
    before, after = _key(old), _key(new)
    if before != after:
        code, backward, forward = "primary_key_changed", BREAK, BREAK
        if not before:
            code, forward = "primary_key_added", OK
        elif not after:
            code, backward = "primary_key_removed", OK
        yield Change(
            code, old.path, backward, forward, sorted(before) or None, sorted(after) or None
        )
    elif _key_order(old) != _key_order(new):
        yield Change("primary_key_reordered", old.path, OK, OK, _key_order(old), _key_order(new))
    else:
        yield from _positions(old, new, "primaryKeyPosition")
    parts_old, parts_new = _partitions(old), _partitions(new)
    if parts_old != parts_new:
        yield Change("partitioning_changed", old.path, OK, OK, parts_old, parts_new)
    else:
        yield from _positions(old, new, "partitionKeyPosition")


def column_key_changes(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """Changes of `unique`, of the references of one column, and of keys inside it."""
    yield from _key_changes(old, new)
    before, after = bool(old.raw.get("unique")), bool(new.raw.get("unique"))
    # A primary key is unique; its changes are reported for the table.
    if before != after and old.raw.get("primaryKey") and new.raw.get("primaryKey"):
        yield entry_change(f"{new.path}.unique", before, after, known=True)
    elif before != after:
        code = "unique_added" if after else "unique_removed"
        verdicts = (BREAK, OK) if after else (OK, BREAK)
        yield Change(code, new.path, *verdicts, before, after)
    yield from _references(old, new)


def _key(table: SchemaNode) -> frozenset[str]:
    return frozenset(column.name for column in table.children if column.raw.get("primaryKey"))


def _key_order(table: SchemaNode) -> list[str]:
    """The columns of the key by their positions; those without one by their names."""
    columns = [column for column in table.children if column.raw.get("primaryKey")]
    return [
        column.name
        for column in sorted(columns, key=lambda column: (_position(column), column.name))
    ]


def _positions(old: SchemaNode, new: SchemaNode, key: str) -> Iterator[Change]:
    """Numbers of positions that leave the order as it was."""
    for column in old.children:
        other = new.child(column.name)
        if other is None:
            continue
        before, after = column.raw.get(key), other.raw.get(key)
        if before != after and form({key: before}) != form({key: after}):
            yield entry_change(f"{other.path}.{key}", before, after, known=True)


def _position(column: SchemaNode, key: str = "primaryKeyPosition") -> int:
    position = column.raw.get(key)
    return position if isinstance(position, int) else -1


def _partitions(table: SchemaNode) -> list[str]:
    columns = [column for column in table.children if column.raw.get("partitioned")]
    columns.sort(key=lambda column: _position(column, "partitionKeyPosition"))
    return [column.name for column in columns]


def _references(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    entries = _relationships(old), _relationships(new)
    # The one reference of a column stays the same reference, wherever it leads.
    single = all(len(entry) == 1 for entry in entries) and "from" not in entries[0][0]
    before, after = ({_identity(entry, single): entry for entry in side} for side in entries)
    for key in sorted(before.keys() - after.keys()):
        yield _known(
            before[key], "foreign_key_removed", old.path, OK, BREAK, _target(before[key]), None
        )
    for key in sorted(after.keys() - before.keys()):
        yield _known(
            after[key], "foreign_key_added", new.path, BREAK, OK, None, _target(after[key])
        )
    for key in sorted(before.keys() & after.keys()):
        reference, other = before[key], after[key]
        if _target(reference) != _target(other):
            values = (_target(reference), _target(other))
            # By ids and by names: only the other contract knows whether it is the same column.
            alike = PATH.sub(r"\1.\2", values[0]) == PATH.sub(r"\1.\2", values[1])
            verdict = Compatibility.UNKNOWN if alike else BREAK
            yield _known(other, "foreign_key_changed", new.path, verdict, verdict, *values)
            continue
        path = f"{new.path}.relationships.{_target(other)}"
        yield from remainder(
            reference, other, path, frozenset({"customProperties", "id", "from", "to"})
        )
        for word in ("customProperties", "id"):
            if form(reference.get(word)) != form(other.get(word)):
                yield entry_change(
                    f"{path}.{word}", reference.get(word), other.get(word), known=True
                )


def _identity(entry: Mapping[str, Any], single: bool) -> str:
    return "only" if single else str(entry.get("id") or f"{_target(entry)} {_kind(entry)}")


def _kind(entry: Mapping[str, Any]) -> str:
    return str(entry.get("type"))


def _known(
    entry: Mapping[str, Any],
    code: str,
    path: str,
    backward: Compatibility,
    forward: Compatibility,
    old: str | None,
    new: str | None,
) -> Change:
    """A change of a foreign key; of any other kind of relationship nothing is known."""
    if _kind(entry) == "foreignKey":
        return Change(code, path, backward, forward, old, new)
    return entry_change(f"{path}.relationships", old, new, known=False)


def _relationships(node: SchemaNode) -> list[Mapping[str, Any]]:
    entries = node.raw.get("relationships") or ()
    return [{"type": "foreignKey", **entry} for entry in entries if isinstance(entry, Mapping)]


def _target(entry: Mapping[str, Any]) -> str:
    """From where to where; the pairs of a composite key in one order."""
    origins, targets = entry.get("from"), entry.get("to")
    if isinstance(origins, list) and isinstance(targets, list) and len(origins) == len(targets):
        pairs = sorted(zip(origins, targets, strict=True), key=str)
        entry = {"from": [pair[0] for pair in pairs], "to": [pair[1] for pair in pairs]}
    source = f"{_text(entry['from'])} -> " if entry.get("from") else ""
    return f"{source}{_text(entry.get('to'))}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
