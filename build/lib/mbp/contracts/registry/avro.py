"""The Avro schema of a dataset's rows, for consumers of events.

Optional columns are unions with null that default to null, so that a reader may meet rows from before a
column existed. An integer is a long. A closed list of values is a string: Avro's enum cannot take a new value safely.
"""

from __future__ import annotations

from typing import Any

from mbp.contracts.compatibility.change_model import Kind, SchemaNode
from mbp.contracts.compatibility.types import shown
from mbp.core.errors import MbpError

LOWEST, HIGHEST = -(2**63), 2**63 - 1
Schema = dict[str, Any] | str


def avro_schema(table: SchemaNode, namespace: str) -> dict[str, Any]:
    """The record of one row.

    Raises:
        MbpError: a type that Avro has no word for.
    """
    return {"namespace": namespace, **_record(table, _pascal(table.name))}


def _record(node: SchemaNode, name: str) -> dict[str, Any]:
    record: dict[str, Any] = {"type": "record", "name": name}
    if node.raw.get("description"):
        record["doc"] = _text(node)
    record["fields"] = [_field(field, f"{name}{_pascal(field.name)}") for field in node.children]
    return record


def _field(node: SchemaNode, record_name: str) -> dict[str, Any]:
    kind = _type(node, record_name)
    field: dict[str, Any] = {"name": node.name}
    if node.raw.get("description"):
        field["doc"] = _text(node)
    if node.required:
        return field | {"type": kind}
    return field | {"type": ["null", kind], "default": None}


def _nullable(node: SchemaNode, record_name: str) -> Any:
    kind = _type(node, record_name)
    return kind if node.required else ["null", kind]


def _type(node: SchemaNode, record_name: str) -> Schema:
    kind = node.kind
    if kind.name == "object":
        return _record(node, record_name)
    if kind.name in ("array", "multiset") and node.children:
        return {"type": "array", "items": _nullable(node.children[0], f"{record_name}Item")}
    if kind.name == "map" and (value := node.child("{}")) is not None:
        return {"type": "map", "values": _nullable(value, f"{record_name}Value")}
    scalar = _scalar(kind)
    if scalar is None:
        raise MbpError(
            f"{node.path}: Avro has no type for {shown(kind)}",
            fix="state a physicalType that is a decimal with precision and scale, a string, a"
            " number, a date, a time, a timestamp or a boolean",
        )
    return scalar


def _scalar(kind: Kind) -> Schema | None:
    if kind.name == "integer":
        # Never int: a reader of int cannot read long, although the limits of a contract may keep its values small.
        if kind.low is None or kind.high is None or (kind.low >= LOWEST and kind.high <= HIGHEST):
            return "long"
        return {"type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 0}
    if kind.name == "decimal" and kind.precision is not None:
        return {
            "type": "bytes",
            "logicalType": "decimal",
            "precision": kind.precision,
            "scale": kind.scale or 0,
        }
    if kind.name == "float":
        return "float" if (kind.bits or 0) <= 24 else "double"  # noqa: PLR2004
    if kind.name == "date":
        return {"type": "int", "logicalType": "date"}
    unit = "millis" if (kind.digits or 0) <= 3 else "micros"  # noqa: PLR2004
    if kind.name == "time":
        return {"type": "int" if unit == "millis" else "long", "logicalType": f"time-{unit}"}
    if kind.name == "timestamp":
        local = "" if kind.zoned else "local-"
        return {"type": "long", "logicalType": f"{local}timestamp-{unit}"}
    return {"string": "string", "boolean": "boolean", "binary": "bytes"}.get(kind.name)


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _text(node: SchemaNode) -> str:
    return " ".join(str(node.raw["description"]).split())
