"""Changes of types: what is stored, what is guaranteed, and what each engine stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from mbp.contracts.compatibility.change_model import (
    BREAK,
    OK,
    UNKNOWN,
    Change,
    Compatibility,
    Facets,
    Kind,
    SchemaNode,
    entry_change,
)
from mbp.contracts.compatibility.domains import within
from mbp.contracts.compatibility.odcs_tables import custom
from mbp.contracts.compatibility.server_types import kind_on, type_fits
from mbp.contracts.compatibility.types import fits, shown
from mbp.contracts.compatibility.values import allowed, limits, of_kind
from mbp.contracts.reading import engine_types


def type_changes(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """Changes of what is stored, of what is guaranteed, and of what each engine stores."""
    texts = (old.raw.get("physicalType"), new.raw.get("physicalType"))
    if texts[0] and texts[1]:
        engines = tuple(sorted({*old.engines, *new.engines}))
        yield from _physical(old, new, (str(texts[0]), str(texts[1])), engines, "")
    elif texts[0] or texts[1]:
        yield from _kinds("physical", old.kind, new.kind, (old, new), texts)
    names = (old.raw.get("logicalType"), new.raw.get("logicalType"))
    yield from _kinds("logical", old.logical, new.logical, (old, new), names)
    by_engine = [custom(node.raw, "physicalTypes") or {} for node in (old, new)]
    if by_engine[0] and not by_engine[1]:  # no longer stated: they follow from the physical type
        by_engine[1] = engine_types(str(texts[1]))
    for engine in sorted({*old.engine_kinds, *new.engine_kinds}):
        before, after = (types.get(engine) for types in by_engine)
        if before is not None and after is not None:
            yield from _physical(old, new, (str(before), str(after)), (engine,), f"[{engine}]")
        elif before != after:
            yield entry_change(f"{new.path}[{engine}]", before, after, known=True)


def _physical(
    old: SchemaNode, new: SchemaNode, texts: tuple[str, str], engines: tuple[str, ...], where: str
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
    layer: str, old: Kind, new: Kind, nodes: tuple[SchemaNode, SchemaNode], texts: tuple[Any, Any]
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


def _judged(node: SchemaNode, narrow: Kind, wide: Kind) -> tuple[Compatibility, str]:
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


def _in_limits(node: SchemaNode, narrow: Kind, wide: Kind) -> Compatibility:
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
    compatibilities = {within(mine, edge, facet).verdict for facet in ("minimum", "maximum")}
    return next((verdict for verdict in (BREAK, UNKNOWN) if verdict in compatibilities), OK)


def _whole_numbers(node: SchemaNode, narrow: Kind, wide: Kind) -> bool:
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


def _type_code(
    layer: str, old: Kind, new: Kind, backward: Compatibility, forward: Compatibility
) -> str:
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
