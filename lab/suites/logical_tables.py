"""Table schemas of Confluent's logical types -> ODCS.

A mode models what a table format stores and how it evolves. FLINK reads columns by name and keeps
its types apart. ICEBERG_V2 and ICEBERG_V3 know fewer types, go by position among the columns kept,
refuse to forget a column, freeze the keys of maps, and ignore nullability inside containers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.suites import NotExpressible
from mbp.contracts.compatibility.shape import ReaderPolicy

UNBOUNDED = 2147483647
MICROSECONDS, NANOSECONDS = 6, 9
TEXTS = ("CHAR", "VARCHAR", "ENUM")
INTEGERS = {
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INT": "int",
    "INTEGER": "int",
    "BIGINT": "bigint",
}
PLAIN = {"BOOLEAN": "boolean", "DATE": "date", "FLOAT": "real", "DOUBLE": "double"}
CONTAINERS = ("ARRAY", "MAP", "MULTISET")
EMPTY = {"ARRAY": "[]", "MAP": "{}", "MULTISET": "{}"}
Entry = dict[str, Any]


def pair(case: Mapping[str, Any]) -> tuple[Entry, Entry, ReaderPolicy]:
    """The case as two contracts and the way readers find columns.

    Raises:
        NotExpressible: a type that ODCS cannot say.
    """
    mode = str(case["mode"])
    both = [_Table(case[side], mode) for side in ("old", "new")]
    contracts = [table.contract() for table in both]
    if mode.startswith("ICEBERG"):
        # There a default only fills a new column; of one that both have it says nothing.
        _forget_defaults(*(contract["schema"][0] for contract in contracts))
    return contracts[0], contracts[1], ReaderPolicy(by_position=mode.startswith("ICEBERG"))


def _forget_defaults(old: Entry, new: Entry) -> None:
    known = {entry["name"]: entry for entry in old.get("properties", ())}
    for entry in new.get("properties", ()):
        other = known.get(entry["name"])
        if other is None:
            continue
        for column in (entry, other):
            column["customProperties"] = [
                item for item in column.get("customProperties", ()) if item["property"] != "default"
            ]
        _forget_defaults(other, entry)
        for key in ("items", "map"):
            if key in entry and key in other:
                left, right = other[key], entry[key]
                if key == "map":
                    left, right = left["value"], right["value"]
                _forget_defaults(left, right)


class _Table:
    """One side of a case."""

    def __init__(self, schema: Mapping[str, Any], mode: str) -> None:
        self.root, self.named = schema["root"], schema.get("named") or {}
        self.iceberg, self.scalar_defaults = mode.startswith("ICEBERG"), mode != "ICEBERG_V2"

    def contract(self) -> Entry:
        """The table as a contract."""
        table: Entry = {"name": "t", "properties": self._fields(self.root, ())}
        if self.iceberg:
            table["customProperties"] = [{"property": "additionalProperties", "value": False}]
        return {
            "apiVersion": "v3.2.0",
            "kind": "DataContract",
            "id": "case",
            "version": "1.0.0",
            "status": "active",
            "servers": [{"server": "t", "type": "iceberg" if self.iceberg else "flink"}],
            "schema": [table],
        }

    def _fields(self, schema: Mapping[str, Any], seen: tuple[str, ...]) -> list[Entry]:
        return [self._field(field, seen) for field in schema["fields"]]

    def _field(self, field: Mapping[str, Any], seen: tuple[str, ...]) -> Entry:
        schema = field["schema"]
        entry = {"name": field["name"], **self._type(schema, seen)}
        entry["required"] = not schema.get("nullable", False)
        default = field.get("default") if field.get("hasDefault") else None
        if default is None:
            return entry
        if self.iceberg and schema["type"] in CONTAINERS:
            # A required container that defaults to empty is stored as an optional one.
            entry["required"] = entry["required"] and default != EMPTY[schema["type"]]
        elif not (self.iceberg and (not self.scalar_defaults or schema["type"] == "VARIANT")):
            _add(entry, "default", default)
        return entry

    def _type(self, schema: Mapping[str, Any], seen: tuple[str, ...]) -> Entry:
        name = schema["type"]
        if name in INTEGERS:
            small = self.iceberg and name in ("TINYINT", "SMALLINT")
            return {"logicalType": "integer", "physicalType": "int" if small else INTEGERS[name]}
        if name in PLAIN:
            logical = {"BOOLEAN": "boolean", "DATE": "date"}.get(name, "number")
            return {"logicalType": logical, "physicalType": PLAIN[name]}
        if name in TEXTS:
            return {"logicalType": "string", "physicalType": self._text(name, schema)}
        if name in ("BINARY", "VARBINARY"):
            return {"physicalType": self._bytes(name, schema)}
        if name == "DECIMAL":
            scale = max(0, schema.get("scale", 0))
            return {
                "logicalType": "number",
                "physicalType": f"decimal({schema['precision']},{scale})",
            }
        if name in ("TIME", "TIMESTAMP", "TIMESTAMP_LTZ"):
            return self._temporal(name, int(schema.get("precision", MICROSECONDS)))
        if name in (*CONTAINERS, "STRUCT", "ROW", "UNION"):
            return self._container(name, schema, seen)
        if name == "NAMED_TYPE_REF":
            return self._reference(schema, seen)
        if name in ("VARIANT", "NULL", "RAW"):
            return {"physicalType": name.lower()}
        raise NotExpressible(f"the type {name}")

    def _text(self, name: str, schema: Mapping[str, Any]) -> str:
        length = int(schema.get("length", 0))
        if self.iceberg or name == "ENUM" or length <= 0 or length == UNBOUNDED:
            return "string"
        return f"{name.lower()}({length})"

    def _bytes(self, name: str, schema: Mapping[str, Any]) -> str:
        length = int(schema.get("length", 0))
        bounded = 0 < length < UNBOUNDED and (name == "BINARY" or not self.iceberg)
        return f"{name.lower()}({length})" if bounded else "varbinary"

    def _temporal(self, name: str, digits: int) -> Entry:
        if self.iceberg:
            digits = NANOSECONDS if digits > MICROSECONDS and name != "TIME" else MICROSECONDS
        if name == "TIME":
            return {"logicalType": "time", "physicalType": f"time({digits})"}
        suffix = " with time zone" if name == "TIMESTAMP_LTZ" else ""
        return {"logicalType": "timestamp", "physicalType": f"timestamp({digits}){suffix}"}

    def _container(self, name: str, schema: Mapping[str, Any], seen: tuple[str, ...]) -> Entry:
        if name in ("STRUCT", "ROW"):
            return self._closed({"logicalType": "object", "properties": self._fields(schema, seen)})
        if name == "UNION":
            fields = [
                {"name": branch["name"], **self._type(branch["schema"], seen), "required": False}
                for branch in schema["branches"]
            ]
            return self._closed({"logicalType": "object", "properties": fields})
        if name == "ARRAY":
            return {"logicalType": "array", "items": self._child(schema["element"], seen)}
        if name == "MULTISET" and not self.iceberg:
            return {"logicalType": "multiset", "items": self._child(schema["element"], seen)}
        if name == "MULTISET":
            key, value = schema["element"], {"type": "INT", "nullable": False}
        else:
            key, value = schema["key"], schema["value"]
        keys = self._child(key, seen)
        if self.iceberg:
            # Keys cannot evolve: each type of key has a field with its own name.
            tag = {"name": str(keys.get("physicalType", keys)), "required": True}
            keys = self._closed({"logicalType": "object", "properties": [tag], "required": True})
        return {"logicalType": "map", "map": {"key": keys, "value": self._child(value, seen)}}

    def _closed(self, entry: Entry) -> Entry:
        if self.iceberg:
            _add(entry, "additionalProperties", False)
        return entry

    def _child(self, schema: Mapping[str, Any], seen: tuple[str, ...]) -> Entry:
        entry = self._type(schema, seen)
        entry["required"] = self.iceberg or not schema.get("nullable", False)
        return entry

    def _reference(self, schema: Mapping[str, Any], seen: tuple[str, ...]) -> Entry:
        name = schema["ref"]
        if name in seen or name not in self.named:
            # Inside itself a type is what it is called: that it fits is what is being shown.
            return {"physicalType": f"type {name}"}
        return self._type(self.named[name], (*seen, name))


def _add(entry: Entry, name: str, value: Any) -> None:
    entry.setdefault("customProperties", []).append({"property": name, "value": value})
