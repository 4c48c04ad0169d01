"""The JSON Schema (2020-12) of a dataset's rows, for consumers of events.

It accepts the rows that the contract accepts: a column that is required must be there; an optional one may
be absent or null. Columns that the contract does not list are ignored, as the verdicts on versions assume,
unless the contract refuses them (custom property `additionalProperties: false`).

A decimal is a JSON number within the range of its precision; its scale is not said, because validators
compute `multipleOf` in binary floats and refuse 0.12345678. For the same reason the range of a decimal ends
before the next power of ten, which a float can say, and not at 9999999999.99999999, which it cannot. An
instant is a string in RFC 3339 with its zone.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mbp.contracts.compatibility.cells import string_schema
from mbp.contracts.compatibility.change_model import ABSENT, Kind, SchemaNode
from mbp.contracts.compatibility.values import limits
from mbp.core.yaml_io import exact

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DATE = r"^\d{4}-\d{2}-\d{2}$"
Schema = dict[str, Any]


def json_schema(table: SchemaNode, identifier: str) -> Schema:
    """The schema of one row.

    Args:
        identifier: `$id` of the schema, a URN of dataset and version.
    """
    return {
        "$schema": DIALECT,
        "$id": identifier,
        "title": table.name,
        **_described(table),
        **_object(table),
    }


def _described(node: SchemaNode) -> Schema:
    text = node.raw.get("description")
    return {"description": " ".join(str(text).split())} if text else {}


def _object(node: SchemaNode) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {field.name: _field(field) for field in node.children},
        "required": [
            field.name for field in node.children if field.required and field.default is ABSENT
        ],
    }
    if node.extra == "refused":
        schema["additionalProperties"] = False
    options = node.facets.options
    return schema | {
        key: options[key] for key in ("minProperties", "maxProperties") if key in options
    }


def _field(node: SchemaNode) -> Schema:
    schema = _type(node)
    if not node.required:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return {**_described(node), **schema}


def _type(node: SchemaNode) -> Schema:
    kind, options = node.kind, node.facets.options
    schema: Schema
    if kind.name == "object":
        return _object(node)
    if kind.name in ("array", "multiset"):
        schema = {"type": "array"}
        if node.children:
            schema["items"] = _field(node.children[0])
        return schema | {
            key: options[key] for key in ("minItems", "maxItems", "uniqueItems") if key in options
        }
    if kind.name == "map":
        value = node.child("{}")
        return {"type": "object", "additionalProperties": _field(value) if value else True}
    if kind.numeric:
        schema = _number(node)
    elif kind.name == "boolean":
        schema = {"type": "boolean"}
    elif kind.name == "date":
        schema = {"type": "string", "format": "date", "pattern": DATE}
    elif kind.name in ("timestamp", "time"):
        schema = _instant(kind)
    else:
        schema = string_schema(node, kind) if kind.name == "string" else {}
    if node.facets.values is not None:
        facets = node.facets
        schema["enum"] = [
            _json(value) if kind.numeric and isinstance(value, int | Decimal) else text
            for value, text in zip(facets.values or (), facets.texts, strict=True)
        ]
    return schema


def _number(node: SchemaNode) -> Schema:
    kind, facets = node.kind, node.facets
    whole = kind.name == "integer" or node.logical.name == "integer"
    schema: Schema = {"type": "integer" if whole else "number"}
    low, high = limits(kind)
    bounded = kind.name == "decimal" and low is not None
    beyond = Decimal(10) ** ((kind.precision or 0) - (kind.scale or 0)) if bounded else None
    if facets.low is not None and (low is None or facets.low >= low):
        schema["exclusiveMinimum" if facets.low_open else "minimum"] = _json(facets.low)
    elif low is not None:
        schema.update({"exclusiveMinimum": _json(-beyond)} if beyond else {"minimum": _json(low)})
    if facets.high is not None and (high is None or facets.high <= high):
        schema["exclusiveMaximum" if facets.high_open else "maximum"] = _json(facets.high)
    elif high is not None:
        schema.update({"exclusiveMaximum": _json(beyond)} if beyond else {"maximum": _json(high)})
    if "multipleOf" in facets.options:
        schema["multipleOf"] = facets.options["multipleOf"]
    return schema


def _json(value: Any) -> int | float | Decimal:
    """The number with every digit: a decimal where a double would be another number."""
    return int(value) if value == int(value) else exact(format(value, "f"))


def _instant(kind: Kind) -> Schema:
    fraction = rf"(\.\d{{1,{kind.digits}}})?" if kind.digits else ""
    clock = rf"\d{{2}}:\d{{2}}:\d{{2}}{fraction}"
    if kind.name == "time":
        return {"type": "string", "pattern": f"^{clock}$"}
    zone = r"(Z|[+-]\d{2}:\d{2})" if kind.zoned else ""
    schema: Schema = {"type": "string", "pattern": rf"^\d{{4}}-\d{{2}}-\d{{2}}T{clock}{zone}$"}
    return ({"format": "date-time"} | schema) if kind.zoned else schema
