"""Changes of primary keys, unique columns and references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mbp.compatibility.model import Change, Node, Verdict

OK, BREAK = Verdict.OK, Verdict.BREAK


def table_key_changes(old: Node, new: Node) -> Iterator[Change]:
    """Changes of the table's primary key (as a set), of its references and its partitions."""
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
    yield from _references(old, new)
    parts_old, parts_new = _partitions(old), _partitions(new)
    if parts_old != parts_new:
        yield Change("partitioning_changed", old.path, OK, OK, parts_old, parts_new)


def column_key_changes(old: Node, new: Node) -> Iterator[Change]:
    """Changes of `unique` and of the references of one column."""
    before, after = bool(old.raw.get("unique")), bool(new.raw.get("unique"))
    # A primary key is unique; what becomes of it is told of the table.
    if old.raw.get("primaryKey") and new.raw.get("primaryKey"):
        before = after
    if before != after:
        code = "unique_added" if after else "unique_removed"
        verdicts = (BREAK, OK) if after else (OK, BREAK)
        yield Change(code, new.path, *verdicts, before, after)
    yield from _references(old, new)


def _key(table: Node) -> frozenset[str]:
    return frozenset(column.name for column in table.children if column.raw.get("primaryKey"))


def _partitions(table: Node) -> list[str]:
    columns = [column for column in table.children if column.raw.get("partitioned")]
    columns.sort(key=lambda column: int(column.raw.get("partitionKeyPosition", -1)))
    return [column.name for column in columns]


def _references(old: Node, new: Node) -> Iterator[Change]:
    entries = _foreign_keys(old), _foreign_keys(new)
    # The one reference of a column stays the same reference, wherever it leads.
    single = all(len(found) == 1 for found in entries) and "from" not in entries[0][0]
    before, after = (
        {
            "only" if single else str(entry.get("id") or _target(entry)): _target(entry)
            for entry in found
        }
        for found in entries
    )
    for key in sorted(before.keys() - after.keys()):
        yield Change("foreign_key_removed", old.path, OK, BREAK, before[key], None)
    for key in sorted(after.keys() - before.keys()):
        yield Change("foreign_key_added", new.path, BREAK, OK, None, after[key])
    for key in sorted(before.keys() & after.keys()):
        if before[key] != after[key]:
            yield Change("foreign_key_changed", new.path, BREAK, BREAK, before[key], after[key])


def _foreign_keys(node: Node) -> list[Mapping[str, Any]]:
    return [
        entry
        for entry in node.raw.get("relationships") or ()
        if isinstance(entry, Mapping) and (entry.get("type") or "foreignKey") == "foreignKey"
    ]


def _target(entry: Mapping[str, Any]) -> str:
    source = f"{_text(entry['from'])} -> " if entry.get("from") else ""
    return f"{source}{_text(entry.get('to'))}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
