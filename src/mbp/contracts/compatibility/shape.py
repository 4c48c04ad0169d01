"""Changes of shape: tables, columns, types, nullability, keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mbp.contracts.compatibility.change_model import (
    ABSENT,
    BREAK,
    OK,
    UNKNOWN,
    Change,
    SchemaNode,
)
from mbp.contracts.compatibility.documentation_changes import column_documents, table_documents
from mbp.contracts.compatibility.facets import facet_changes
from mbp.contracts.compatibility.keys import column_key_changes, table_key_changes
from mbp.contracts.compatibility.odcs_tables import custom, stored_name
from mbp.contracts.compatibility.standard import form, remainder
from mbp.contracts.compatibility.type_changes import type_changes
from mbp.contracts.reading import engine_types

# Distinguished from "no type is stated", which accepts anything.
Pair = tuple[SchemaNode | None, SchemaNode | None]
# Elements inside, which are compared on their own.
INNER = frozenset({"properties", "items", "map"})
# Of columns, judged together on their table.
OF_TABLE = frozenset({"primaryKey", "primaryKeyPosition", "partitioned", "partitionKeyPosition"})


@dataclass(frozen=True)
class ReaderPolicy:
    """How a dataset's readers find columns.

    Attributes:
        by_position: the order of columns counts.
    """

    by_position: bool = False


def schema_changes(
    old: dict[str, SchemaNode], new: dict[str, SchemaNode], policy: ReaderPolicy
) -> Iterator[Change]:
    """All changes of shape and of values between two schemas."""
    gone = [table for name, table in old.items() if name not in new]
    fresh = [table for name, table in new.items() if name not in old]
    for before, after in _renamed(gone, fresh):
        gone.remove(before)
        fresh.remove(after)
        yield Change("table_renamed", before.path, BREAK, BREAK, before.name, after.name)
        yield from _table(before, after, policy)
    for table in gone:
        yield Change("table_removed", table.path, OK, BREAK, table.name)
    for table in fresh:
        yield Change("table_added", table.path, OK, OK, None, table.name)
    for name, before in old.items():
        if name in new:
            yield from _table(before, new[name], policy)


def _table(old: SchemaNode, new: SchemaNode, policy: ReaderPolicy) -> Iterator[Change]:
    yield from _whole(_table_itself(old, new), old, new)
    yield from _fields(old, new, policy)


def _whole(changes: Iterator[Change], old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """The changes of an element itself; where there is none, all other differences."""
    inner_changes = list(changes)
    renamed = {"name", "physicalName"} if old.name != new.name else set()
    inner = INNER | OF_TABLE | renamed
    yield from inner_changes or remainder(_stated(old.raw), _stated(new.raw), new.path, inner)


def _stated(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without types per engine that follow from the physical type: to leave those out changes nothing."""
    types = custom(raw, "physicalTypes")
    if not types or types != engine_types(str(raw.get("physicalType"))):
        return raw
    properties = raw["customProperties"]
    others = [entry for entry in properties if entry.get("property") != "physicalTypes"]
    return {**raw, "customProperties": others}


def _table_itself(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    kinds = old.raw.get("physicalType"), new.raw.get("physicalType")
    if kinds[0] != kinds[1]:
        yield Change("table_kind_changed", old.path, OK, OK, *kinds)
    if old.name == new.name:
        yield from _stored_name(old, new)
    if old.extra != new.extra:
        yield _extra(old, new)
    yield from table_key_changes(old, new)
    yield from facet_changes(old, new)
    yield from table_documents(old, new)


def _stored_name(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    before, after = stored_name(old.raw), stored_name(new.raw)
    if before != after:
        yield Change("physical_name_changed", old.path, BREAK, BREAK, before, after)


def _fields(old: SchemaNode, new: SchemaNode, policy: ReaderPolicy) -> Iterator[Change]:
    """Changes of the fields of two objects."""
    gone = [field for field in old.children if new.child(field.name) is None]
    fresh = [field for field in new.children if old.child(field.name) is None]
    for before, after in _renamed(gone, fresh):
        gone.remove(before)
        fresh.remove(after)
        needed = after.required and after.default is ABSENT
        refused = new.extra == "refused"
        yield Change(
            "column_renamed",
            before.path,
            BREAK if needed or refused else OK,
            BREAK,
            before.name,
            after.name,
            witness=_shown_by("row", before.path, after.path),
        )
        yield from _column(before, after, policy)
    for field in gone:
        yield _removed(field, old, new)
    for field in fresh:
        yield _added(field, old)
    kept_old = [field.name for field in old.children if new.child(field.name)]
    kept_new = [field.name for field in new.children if old.child(field.name)]
    if kept_old != kept_new:
        verdict = BREAK if policy.by_position else OK
        first = next(name for name, other in zip(kept_old, kept_new, strict=True) if name != other)
        note = "readers of this dataset go by position" if policy.by_position else ""
        path = f"{old.path}.{first}"
        yield Change("column_reordered", path, verdict, verdict, kept_old, kept_new, note)
    for field in old.children:
        other = new.child(field.name)
        if other is not None:
            yield from _column(field, other, policy)


def _extra(old: SchemaNode, new: SchemaNode) -> Change:
    backward = BREAK if new.extra == "refused" else OK
    # Documents may leave a field out; a query that names columns needs every one.
    left_out = old.extra == "ignored" and any(not field.required for field in new.children)
    forward = BREAK if old.extra == "refused" or left_out else OK
    return Change(
        "extra_columns_changed",
        old.path,
        backward,
        forward,
        old.extra,
        new.extra,
        witness=_shown_by("extra", old.path, old.path),
    )


def _added(field: SchemaNode, old: SchemaNode) -> Change:
    has_default = field.default is not ABSENT
    code = "column_added_optional"
    if field.required:
        code = "column_added_with_default" if has_default else "column_added_required"
    backward = BREAK if code == "column_added_required" else OK
    if old.extra == "accepted" and not anything(field):
        backward = BREAK
    forward = BREAK if old.extra == "refused" else OK
    witness = _shown_by("with", field.path, field.path)
    return Change(code, field.path, backward, forward, None, _type_text(field), witness=witness)


def _removed(field: SchemaNode, old: SchemaNode, new: SchemaNode) -> Change:
    backward = BREAK if new.extra == "refused" else OK
    forward = BREAK
    if new.extra == "refused" and not field.required and old.extra != "ignored":
        forward = OK
    if new.extra == "accepted" and anything(field):
        forward = OK
    return Change(
        "column_removed",
        field.path,
        backward,
        forward,
        _type_text(field),
        None,
        note="old rows have a column that is refused" if backward is BREAK else "",
        witness=_shown_by("with", field.path, field.path),
    )


def anything(field: SchemaNode) -> bool:
    """The field accepts every value, and none at all."""
    return not field.required and field.kind.name == "unstated" and field.facets.values is None


def _column(old: SchemaNode, new: SchemaNode, policy: ReaderPolicy) -> Iterator[Change]:
    same = old.engines == new.engines and old.required == new.required and old.raw == new.raw
    if same and repr(old.raw) == repr(new.raw):  # to Python 1 is true
        return
    yield from _whole(_column_itself(old, new), old, new)
    yield from _children(old, new, policy)


def _column_itself(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    if old.name == new.name:
        yield from _stored_name(old, new)
    if old.required != new.required:
        code = "required_added" if new.required else "required_removed"
        both = (BREAK, OK) if new.required else (OK, BREAK)
        witness = _shown_by("value", old.path, new.path)
        yield Change(code, new.path, *both, old.required, new.required, witness=witness)
    yield from _default(old, new)
    yield from type_changes(old, new)
    if old.extra != new.extra:
        yield _extra(old, new)
    yield from facet_changes(old, new)
    yield from column_key_changes(old, new)
    yield from column_documents(old, new)


def _children(old: SchemaNode, new: SchemaNode, policy: ReaderPolicy) -> Iterator[Change]:
    if old.kind.name != new.kind.name and "unstated" not in (old.kind.name, new.kind.name):
        return  # the change of type says it all
    if "object" in (old.kind.name, new.kind.name):
        yield from _fields(old, new, policy)
        return
    for child in old.children:
        other = new.child(child.name)
        if other is not None:
            yield from _column(child, other, policy)
    lost = {child.name for child in old.children} ^ {child.name for child in new.children}
    for name in sorted(lost):
        note = "only one side says what the parts are"
        yield Change("unknown_changed", f"{old.path}{name}", UNKNOWN, UNKNOWN, note=note)


def _default(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    if old.default is ABSENT and new.default is not ABSENT:
        yield Change("default_added", new.path, OK, OK, None, new.default)
    elif new.default is ABSENT and old.default is not ABSENT:
        verdict = BREAK if new.required else OK
        yield Change("default_removed", new.path, verdict, OK, old.default, None)
    elif old.default != new.default:
        yield Change("default_changed", new.path, OK, OK, old.default, new.default)


def _shown_by(sort: str, old: str, new: str) -> dict[str, Any]:
    """Rows of what sort show a break: where the old and the new contract have the element."""
    return {"backward": (sort, old, None), "forward": (sort, new, None)}


def _type_text(field: SchemaNode) -> str:
    return str(field.raw.get("physicalType") or field.raw.get("logicalType") or "any")


def _renamed(
    gone: Sequence[SchemaNode], fresh: Sequence[SchemaNode]
) -> list[tuple[SchemaNode, SchemaNode]]:
    """Pairs that are one thing under two names: the same id, or all the rest alike."""
    pairs: list[tuple[SchemaNode, SchemaNode]] = []
    taken: set[str] = set()
    for identity in (_id_of, _likeness):
        twins: dict[str, list[SchemaNode]] = {}
        for after in fresh:
            if (key := identity(after)) is not None and after.name not in taken:
                twins.setdefault(key, []).append(after)
        for before in gone:
            if any(before is node for node, _ in pairs):
                continue
            twin = twins.get(identity(before) or "", ())
            if len(same := [node for node in twin if node.name not in taken]) == 1:
                pairs.append((before, same[0]))
                taken.add(same[0].name)
    return pairs


def _id_of(node: SchemaNode) -> str | None:
    identifier = node.raw.get("id")
    return None if identifier is None else str(identifier)


def _likeness(node: SchemaNode) -> str | None:
    """All but the name, when something is said that makes two alike no accident."""
    bare = {key: value for key, value in node.raw.items() if key not in ("name", "physicalName")}
    # The order of keys says nothing: a published contract has another than the file.
    text = json.dumps(form(bare), sort_keys=True, default=str)
    return text if bare.get("description") or bare.get("properties") else None
