"""Changes of shape: tables, columns, types, nullability, keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from mbp.compatibility.documents import column_documents, table_documents
from mbp.compatibility.domains import within
from mbp.compatibility.engine_types import kind_on, type_fits
from mbp.compatibility.facets import facet_changes
from mbp.compatibility.keys import column_key_changes, table_key_changes
from mbp.compatibility.model import ABSENT, Change, Facets, Kind, Node, Verdict
from mbp.compatibility.reading import custom, stored_name
from mbp.compatibility.standard import form, remainder
from mbp.compatibility.types import fits, shown
from mbp.compatibility.values import allowed, limits, of_kind

OK, BREAK, UNKNOWN = Verdict.OK, Verdict.BREAK, Verdict.UNKNOWN
# Told apart from "no type is stated", which accepts anything.
Pair = tuple[Node | None, Node | None]
# Elements inside, which are compared on their own.
INNER = frozenset({"properties", "items", "map"})
# Of columns, judged together on their table.
OF_TABLE = frozenset({"primaryKey", "primaryKeyPosition", "partitioned", "partitionKeyPosition"})


@dataclass(frozen=True)
class Policy:
    """How a dataset's readers find columns.

    Attributes:
        by_position: the order of columns counts.
    """

    by_position: bool = False


def schema_changes(old: dict[str, Node], new: dict[str, Node], policy: Policy) -> Iterator[Change]:
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


def _table(old: Node, new: Node, policy: Policy) -> Iterator[Change]:
    yield from _whole(_table_itself(old, new), old, new)
    yield from _fields(old, new, policy)


def _whole(changes: Iterator[Change], old: Node, new: Node) -> Iterator[Change]:
    """The changes of an element itself; where there is none, whatever else differs."""
    found = list(changes)
    renamed = {"name", "physicalName"} if old.name != new.name else set()
    yield from found or remainder(old.raw, new.raw, new.path, INNER | OF_TABLE | renamed)


def _table_itself(old: Node, new: Node) -> Iterator[Change]:
    if old.raw.get("physicalType") != new.raw.get("physicalType"):
        yield Change(
            "table_kind_changed",
            old.path,
            OK,
            OK,
            old.raw.get("physicalType"),
            new.raw.get("physicalType"),
        )
    if old.name == new.name:
        yield from _stored_name(old, new)
    if old.extra != new.extra:
        yield _extra(old, new)
    yield from table_key_changes(old, new)
    yield from facet_changes(old, new)
    yield from table_documents(old, new)


def _stored_name(old: Node, new: Node) -> Iterator[Change]:
    before, after = stored_name(old.raw), stored_name(new.raw)
    if before != after:
        yield Change("physical_name_changed", old.path, BREAK, BREAK, before, after)


def _fields(old: Node, new: Node, policy: Policy) -> Iterator[Change]:
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
            witness={
                "backward": ("row", before.path, None),
                "forward": ("row", after.path, None),
            },
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
        yield Change(
            "column_reordered",
            f"{old.path}.{first}",
            verdict,
            verdict,
            kept_old,
            kept_new,
            note="readers of this dataset go by position" if policy.by_position else "",
        )
    for field in old.children:
        other = new.child(field.name)
        if other is not None:
            yield from _column(field, other, policy)


def _extra(old: Node, new: Node) -> Change:
    backward = BREAK if new.extra == "refused" else OK
    # Documents may leave a field out; whoever reads a table by name needs every column.
    left_out = old.extra == "ignored" and any(not field.required for field in new.children)
    forward = BREAK if old.extra == "refused" or left_out else OK
    return Change(
        "extra_columns_changed",
        old.path,
        backward,
        forward,
        old.extra,
        new.extra,
        witness={"backward": ("extra", old.path, None), "forward": ("extra", old.path, None)},
    )


def _added(field: Node, old: Node) -> Change:
    has_default = field.default is not ABSENT
    code = (
        "column_added_optional"
        if not field.required
        else "column_added_with_default"
        if has_default
        else "column_added_required"
    )
    backward = BREAK if code == "column_added_required" else OK
    if old.extra == "accepted" and not anything(field):
        backward = BREAK
    forward = BREAK if old.extra == "refused" else OK
    return Change(
        code,
        field.path,
        backward,
        forward,
        None,
        _type_text(field),
        witness={"backward": ("with", field.path, None), "forward": ("with", field.path, None)},
    )


def _removed(field: Node, old: Node, new: Node) -> Change:
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
        witness={"backward": ("with", field.path, None), "forward": ("with", field.path, None)},
    )


def anything(field: Node) -> bool:
    """The field accepts every value, and none at all."""
    return not field.required and field.kind.name == "unstated" and field.facets.values is None


def _column(old: Node, new: Node, policy: Policy) -> Iterator[Change]:
    if old.engines == new.engines and old.required == new.required and old.raw == new.raw:
        return
    yield from _whole(_column_itself(old, new), old, new)
    yield from _children(old, new, policy)


def _column_itself(old: Node, new: Node) -> Iterator[Change]:
    if old.name == new.name:
        yield from _stored_name(old, new)
    if old.required != new.required:
        if new.required:
            yield Change(
                "required_added",
                new.path,
                BREAK,
                OK,
                False,
                True,
                witness={"backward": ("value", old.path, None)},
            )
        else:
            yield Change(
                "required_removed",
                new.path,
                OK,
                BREAK,
                True,
                False,
                witness={"forward": ("value", new.path, None)},
            )
    yield from _default(old, new)
    yield from type_changes(old, new)
    if old.extra != new.extra:
        yield _extra(old, new)
    yield from facet_changes(old, new)
    yield from column_key_changes(old, new)
    yield from column_documents(old, new)


def _children(old: Node, new: Node, policy: Policy) -> Iterator[Change]:
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
        yield Change(
            "unknown_changed",
            f"{old.path}{name}",
            UNKNOWN,
            UNKNOWN,
            note="only one side says what the parts are",
        )


def _default(old: Node, new: Node) -> Iterator[Change]:
    if old.default is ABSENT and new.default is not ABSENT:
        yield Change("default_added", new.path, OK, OK, None, new.default)
    elif new.default is ABSENT and old.default is not ABSENT:
        verdict = BREAK if new.required else OK
        yield Change("default_removed", new.path, verdict, OK, old.default, None)
    elif old.default != new.default:
        yield Change("default_changed", new.path, OK, OK, old.default, new.default)


def type_changes(old: Node, new: Node) -> Iterator[Change]:
    """Changes of what is stored, of what is promised, and of what each engine stores."""
    texts = (old.raw.get("physicalType"), new.raw.get("physicalType"))
    if texts[0] and texts[1]:
        engines = tuple(sorted({*old.engines, *new.engines}))
        yield from _physical(old, new, (str(texts[0]), str(texts[1])), engines, "")
    elif texts[0] or texts[1]:
        yield from _kinds("physical", old.kind, new.kind, (old, new), texts)
    names = (old.raw.get("logicalType"), new.raw.get("logicalType"))
    yield from _kinds("logical", old.logical, new.logical, (old, new), names)
    by_engine = [custom(node.raw, "physicalTypes") or {} for node in (old, new)]
    for engine in sorted({*old.engine_kinds, *new.engine_kinds}):
        before, after = (types.get(engine) for types in by_engine)
        if before is not None and after is not None:
            yield from _physical(old, new, (str(before), str(after)), (engine,), f"[{engine}]")
        elif before != after:
            yield Change("metadata_changed", f"{new.path}[{engine}]", OK, OK, before, after)


def _physical(
    old: Node, new: Node, texts: tuple[str, str], engines: tuple[str, ...], where: str
) -> Iterator[Change]:
    """Two physical types of one column, on the engines that the contracts name."""
    if texts[0] == texts[1]:
        return
    backward, why = type_fits(texts[0], texts[1], engines, lambda a, b: _judged(old, a, b))
    forward, why_not = type_fits(texts[1], texts[0], engines, lambda a, b: _judged(new, a, b))
    kinds = kind_on(texts[0], engines), kind_on(texts[1], engines)
    bare = type_fits(texts[0], texts[1], engines)[0], type_fits(texts[1], texts[0], engines)[0]
    yield Change(
        _type_code("physical", *kinds, *bare),
        f"{new.path}{where}",
        backward,
        forward,
        *texts,
        note=why or why_not,
        witness={
            "backward": ("type", old.path, kinds),
            "forward": ("type", new.path, kinds[::-1]),
        },
    )


def _kinds(
    layer: str, old: Kind, new: Kind, nodes: tuple[Node, Node], texts: tuple[Any, Any]
) -> Iterator[Change]:
    if old == new:
        if texts[0] != texts[1] and layer == "physical":
            yield Change("physical_type_respelled", nodes[1].path, OK, OK, *texts)
        return
    (backward, why), (forward, why_not) = _judged(nodes[0], old, new), _judged(nodes[1], new, old)
    bare = fits(old, new)[0], fits(new, old)[0]
    if layer == "logical" and backward is OK and forward is OK:
        bare = OK, OK  # for the values of this column the two are one
    yield Change(
        _type_code(layer, old, new, *bare),
        nodes[1].path,
        backward,
        forward,
        texts[0] or shown(old),
        texts[1] or shown(new),
        note=why or why_not,
        witness={
            "backward": ("type", nodes[0].path, (old, new)),
            "forward": ("type", nodes[1].path, (new, old)),
        },
    )


def _judged(node: Node, narrow: Kind, wide: Kind) -> tuple[Verdict, str]:
    """`fits` for this column: its other limits may leave only values that fit."""
    verdict, why = fits(narrow, wide)
    if verdict is BREAK and narrow.name == "unstated" and node.facets.values is not None:
        bare = replace(node, kind=wide, logical=wide, facets=Facets(), required=False)
        judged = {
            of_kind(value, wide) and allowed(value, bare)
            for value in node.facets.values
            if value is not None
        }
        verdict = BREAK if False in judged else UNKNOWN if None in judged else OK
    elif verdict is BREAK:
        verdict = OK if _whole_numbers(node, narrow, wide) else _in_limits(node, narrow, wide)
    return verdict, why


def _in_limits(node: Node, narrow: Kind, wide: Kind) -> Verdict:
    """The verdict for this column, when the kinds differ in nothing but how far their values go."""
    mine = replace(node, kind=narrow)
    if narrow.name == wide.name == "string" and not wide.fixed and wide.length is not None:
        limit = Facets(options={"maxLength": wide.length})
        return within(mine, replace(node, kind=Kind("string"), facets=limit), "maxLength").verdict
    same_scale = narrow.name == wide.name == "decimal" and narrow.scale == wide.scale
    if narrow.name != "integer" and not (same_scale and narrow.precision is not None):
        return BREAK
    low, high = limits(wide)
    if wide.name == "float":
        low, high = Decimal(-(2 ** (wide.bits or 0))), Decimal(2 ** (wide.bits or 0))
    if wide.name == "decimal" and high is not None:
        # An integer needs the digits before the point only.
        low, high = (-high, high) if narrow.name == "decimal" else (-(high // 1), high // 1)
    if low is None and high is None:
        return BREAK
    edge = replace(node, kind=narrow, facets=Facets(low=low, high=high))
    found = {within(mine, edge, facet).verdict for facet in ("minimum", "maximum")}
    return next((verdict for verdict in (BREAK, UNKNOWN) if verdict in found), OK)


def _whole_numbers(node: Node, narrow: Kind, wide: Kind) -> bool:
    """The narrow kind is any number, but the column's other limits leave only whole ones that fit."""
    if narrow != Kind("decimal") or wide.name not in ("integer", "decimal", "float"):
        return False
    if node.facets.values is not None:
        bare = replace(node, kind=wide, logical=wide, facets=Facets())
        return all(
            of_kind(value, wide)
            and value % 1 == 0
            and (allowed(value, bare) if wide.bits is None else abs(value) <= 2**wide.bits)
            for value in node.facets.values
        )
    factor = node.facets.options.get("multipleOf")
    return factor is not None and wide == Kind("integer") and Decimal(str(factor)) % 1 == 0


def _type_code(layer: str, old: Kind, new: Kind, backward: Verdict, forward: Verdict) -> str:
    """Names what changed, by the types alone; verdicts may differ in the limits of a column."""
    if old.name == new.name == "decimal" and None not in (old.precision, new.precision):
        if old.scale != new.scale:
            return "scale_changed"
        if old.precision != new.precision:
            more = (new.precision or 0) > (old.precision or 0)
            return "precision_increased" if more else "precision_decreased"
    if (
        old.name == new.name
        and old.name in ("string", "binary")
        and (old.fixed, old.label) == (new.fixed, new.label)
        and old.length != new.length
    ):
        if old.fixed:
            return "type_length_changed"
        more = new.length is None or (old.length is not None and new.length > old.length)
        return "type_length_increased" if more else "type_length_decreased"
    if old.name == new.name and old.name in ("time", "timestamp"):
        if old.zoned != new.zoned:
            return "time_zone_changed"
        if old.digits != new.digits:
            return "temporal_precision_changed"
    if backward is OK:
        return f"{layer}_type_{'respelled' if forward is OK else 'widened'}"
    return f"{layer}_type_{'narrowed' if forward is OK else 'changed'}"


def _type_text(field: Node) -> str:
    return str(field.raw.get("physicalType") or field.raw.get("logicalType") or "any")


def _renamed(gone: Sequence[Node], fresh: Sequence[Node]) -> list[tuple[Node, Node]]:
    """Pairs that are one thing under two names: the same id, or all the rest alike."""
    pairs: list[tuple[Node, Node]] = []
    taken: set[str] = set()
    for identity in (_id_of, _likeness):
        twins: dict[str, list[Node]] = {}
        for after in fresh:
            if (key := identity(after)) is not None and after.name not in taken:
                twins.setdefault(key, []).append(after)
        for before in gone:
            if any(before is one for one, _ in pairs):
                continue
            same = [one for one in twins.get(identity(before) or "", ()) if one.name not in taken]
            if len(same) == 1:
                pairs.append((before, same[0]))
                taken.add(same[0].name)
    return pairs


def _id_of(node: Node) -> str | None:
    found = node.raw.get("id")
    return None if found is None else str(found)


def _likeness(node: Node) -> str | None:
    """All but the name, when something is said that makes two alike no accident."""
    bare = {key: value for key, value in node.raw.items() if key not in ("name", "physicalName")}
    return repr(form(bare)) if bare.get("description") or bare.get("properties") else None
