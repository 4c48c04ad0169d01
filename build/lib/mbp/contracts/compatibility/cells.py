"""Rows as JSON that keeps how values are stored, and the JSON Schema that judges them.

Plain JSON cannot tell 1.50 at scale 2 from 1.5, or an instant from a wall clock reading; so a number or
a time is written as an object that says so. The schemas are JSON Schema 2020-12, and any validator
can check a counterexample with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mbp.contracts.compatibility.change_model import ABSENT, Kind, SchemaNode
from mbp.contracts.compatibility.values import limits, step

Schema = dict[str, Any]
Kinds = Mapping[str, Kind]
MARK = "cell:"


def row_schema(node: SchemaNode, *, by_name: bool, kinds: Kinds | None = None) -> Schema:
    """What the contract accepts, as a schema of cells.

    Args:
        by_name: a reader names every column, so each one must be there, though it may be null.
        kinds: path -> kind to judge by instead of the stored one.
    """
    schema = _schema(node, by_name, kinds or {})
    if node.facets.values is not None and not _holds_values(_kind(node, kinds or {})):
        schema = {"allOf": [schema, {"enum": list(node.facets.values)}]}
    return schema if node.required else {"anyOf": [{"type": "null"}, schema]}


def _kind(node: SchemaNode, kinds: Kinds) -> Kind:
    return kinds.get(node.path, node.kind)


def _holds_values(kind: Kind) -> bool:
    return kind.numeric or kind.temporal


def _schema(node: SchemaNode, by_name: bool, kinds: Kinds) -> Schema:
    kind = _kind(node, kinds)
    options = node.facets.options
    if kind.name == "object":
        return _object(node, by_name, kinds)
    if kind.name in ("array", "multiset"):
        schema: Schema = {"type": "array"}
        if node.children:
            schema["items"] = row_schema(node.children[0], by_name=by_name, kinds=kinds)
        schema |= {
            key: options[key] for key in ("minItems", "maxItems", "uniqueItems") if key in options
        }
        return schema if kind.name == "array" else _closed(multiset=schema)
    if kind.name == "map":
        parts = {
            name: row_schema(child, by_name=by_name, kinds=kinds)
            for name, mark in (("key", "{key}"), ("value", "{}"))
            if (child := node.child(mark)) is not None
        }
        return _closed(entries={"type": "array", "items": _closed(**parts)})
    if kind.numeric:
        return _closed(number=_range(node, kind), **_representation(kind))
    if kind.temporal:
        tags: Schema = {} if kind.name == "date" else {"digits": {"const": kind.digits}}
        if kind.name != "date":
            tags["zoned"] = {"const": kind.zoned}
        return _closed(**{kind.name: _range(node, kind)}, **tags)
    if kind.name == "string":
        return string_schema(node, kind)
    if kind.name == "boolean":
        return {"type": "boolean"}
    if kind.name == "binary":
        size: Schema = {"type": "integer"}
        if kind.length is not None:
            size |= {"maximum": kind.length} | ({"minimum": kind.length} if kind.fixed else {})
        return _closed(bytes=size)
    if kind.name == "vector":
        return _closed(
            dimensions={} if kind.length is None else {"const": kind.length},
            element={"const": kind.label},
        )
    return {} if kind.name == "unstated" else _closed(value_of={"const": kind.label})


def _closed(**properties: Schema) -> Schema:
    marked = {f"{MARK}{name}": schema for name, schema in properties.items()}
    return {
        "type": "object",
        "properties": marked,
        "required": sorted(marked),
        "additionalProperties": False,
    }


def marked(**parts: Any) -> dict[str, Any]:
    """A value with how it is stored, distinguished from an object of the contract by its keys."""
    return {f"{MARK}{name}": value for name, value in parts.items()}


def _object(node: SchemaNode, by_name: bool, kinds: Kinds) -> Schema:
    every = by_name and node.extra == "ignored"
    schema: Schema = {
        "type": "object",
        "properties": {
            field.name: row_schema(field, by_name=by_name, kinds=kinds) for field in node.children
        },
        "required": [
            field.name
            for field in node.children
            if every or (field.required and field.default is ABSENT)
        ],
    }
    # Without this a number, which is written as an object, would pass for any open object.
    schema["propertyNames"] = {"not": {"pattern": f"^{MARK}"}}
    if node.extra == "refused":
        schema["additionalProperties"] = False
    options = node.facets.options
    return schema | {
        key: options[key] for key in ("minProperties", "maxProperties") if key in options
    }


def string_schema(node: SchemaNode, kind: Kind) -> Schema:
    """The JSON Schema of a text: lengths of its type and of the contract, and its pattern."""
    options = node.facets.options
    schema: Schema = {"type": "string"}
    lengths = [length for length in (kind.length, options.get("maxLength")) if length is not None]
    if lengths:
        schema["maxLength"] = min(lengths)
    if kind.fixed or "minLength" in options:
        schema["minLength"] = max(
            kind.length or 0 if kind.fixed else 0, options.get("minLength", 0)
        )
    if "pattern" in options:
        schema["pattern"] = options["pattern"]
    return schema


def _range(node: SchemaNode, kind: Kind) -> Schema:
    facets = node.facets
    schema: Schema = {"type": "number"}
    low, high = limits(kind)
    parts: list[Schema] = []
    if low is not None:
        schema["minimum"] = low
    if high is not None:
        schema["maximum"] = high
    if facets.low is not None:
        parts.append({"exclusiveMinimum" if facets.low_open else "minimum": facets.low})
    if facets.high is not None:
        parts.append({"exclusiveMaximum" if facets.high_open else "maximum": facets.high})
    if node.logical.name == "integer" and kind.numeric:
        parts.append({"multipleOf": 1})
    elif kind.name == "decimal" and kind.precision is not None:
        parts.append({"multipleOf": step(kind)})
    if "multipleOf" in facets.options:
        parts.append({"multipleOf": Decimal(str(facets.options["multipleOf"]))})
    if facets.values is not None:
        parts.append({"enum": list(facets.values)})
    return schema | ({"allOf": parts} if parts else {})


def _representation(kind: Kind) -> dict[str, Schema]:
    """How a number is stored. Integers are exact in decimals and, while they fit, in floats."""
    if kind.name == "integer":
        return {"stored": {"const": "integer"}, "bits": {}}
    if kind.name == "float":
        return {"stored": {"enum": ["integer", "binary"]}, "bits": {"maximum": kind.bits}}
    if kind.precision is None:
        return {"stored": {"pattern": "^(integer|scale )"}, "bits": {}}
    return {"stored": {"enum": ["integer", f"scale {kind.scale or 0}"]}, "bits": {}}


def cell(value: Any, kind: Kind) -> Any:
    """The scalar value as it is stored by that kind."""
    if value is None:
        return None
    if kind.name == "integer" or (
        kind.name == "decimal" and kind.precision is None and value == int(value)
    ):
        return marked(number=value, stored="integer", bits=_bits(int(value)))
    if kind.name == "float":
        return marked(number=value, stored="binary", bits=kind.bits)
    if kind.name == "decimal":
        scale = kind.scale or 0
        if kind.precision is None:
            scale = max(0, -int(Decimal(str(value)).normalize().as_tuple().exponent))
        return marked(number=value, stored=f"scale {scale}", bits=0)
    if kind.name == "date":
        return marked(date=value)
    if kind.temporal:
        return marked(**{kind.name: value}, digits=kind.digits, zoned=kind.zoned)
    if kind.name == "binary":
        return marked(bytes=value if isinstance(value, int) else kind.length or 1)
    if kind.name == "vector":
        return marked(dimensions=kind.length, element=kind.label)
    if kind.name == "nominal":
        return marked(value_of=kind.label)
    return value


def _bits(value: int) -> int:
    """Binary digits that the number needs, zeros at the end aside."""
    value = abs(value)
    while value and value % 2 == 0:
        value //= 2
    return value.bit_length()
