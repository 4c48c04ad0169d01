"""JSON Schemas -> ODCS: a table with one column `value` that holds the document.

An object says by a customProperty whether it takes fields that are not listed, which ODCS cannot say
itself. What has no ODCS counterpart (alternatives, negation, conditions, patterns of names) is not
expressible, unless it can be written as one plain type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mbp.compatibility.suites import NotExpressible

ANNOTATIONS = {
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$defs",
    "definitions",
    "format",
}
COMMON = {"type", "enum", "const", *ANNOTATIONS}
KEYWORDS: dict[str, set[str]] = {
    "string": {"minLength", "maxLength", "pattern"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "boolean": set(),
    "array": {"items", "minItems", "maxItems", "uniqueItems"},
    "object": {"properties", "required", "additionalProperties", "minProperties", "maxProperties"},
}
ASSERTIONS = set().union(*KEYWORDS.values())
Entry = dict[str, Any]


def pair(case: Mapping[str, Any]) -> tuple[Entry, Entry]:
    """The case as two contracts.

    Raises:
        NotExpressible: a part of a schema that ODCS cannot say.
    """
    return _contract(case["old"]), _contract(case["new"])


def _contract(schema: Any) -> Entry:
    value = {"name": "value", "required": True, **_Reader(schema).entry(schema, top=True)}
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "case",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "document", "properties": [value]}],
    }


class _Reader:
    """Reads one schema."""

    def __init__(self, root: Any) -> None:
        self.root = root

    def entry(self, schema: Any, *, top: bool = False, seen: tuple[str, ...] = ()) -> Entry:
        """The schema as a property, without its name; `required` only where null is allowed."""
        if schema is True or schema == {}:
            # Null included, unless the value is one that must be there.
            return {"required": False}
        if not isinstance(schema, Mapping):
            raise NotExpressible("a schema that no value fits")
        schema, seen = self._resolved(schema, seen)
        plain = {key: value for key, value in schema.items() if key not in ANNOTATIONS}
        kind, nullable = _type(plain)
        if nullable and not top:
            raise NotExpressible("a field that may be null: absent and null are one in a table")
        unknown = set(plain) - COMMON - KEYWORDS[kind]
        if unknown - ASSERTIONS:
            raise NotExpressible(f"the keyword {sorted(unknown - ASSERTIONS)[0]}")
        found: Entry = {"logicalType": kind} | ({"required": False} if nullable else {})
        found |= _values(plain, kind)
        if kind == "object":
            found |= self._object(plain, seen)
        elif kind == "array":
            found |= self._array(plain, seen)
        else:
            options = {key: plain[key] for key in sorted(KEYWORDS[kind] & plain.keys())}
            found |= {"logicalTypeOptions": options} if options else {}
        return found

    def _resolved(
        self, schema: Mapping[str, Any], seen: tuple[str, ...]
    ) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """Without references and without alternatives that are none."""
        while "$ref" in schema:
            name = str(schema["$ref"])
            if name in seen:
                raise NotExpressible("a schema that contains itself")
            seen = (*seen, name)
            target = self._target(name)
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = _merged([target, rest]) if rest.keys() - ANNOTATIONS else target
        if "allOf" in schema:
            parts = [
                self._resolved(part, seen)[0]
                for part in schema["allOf"]
                if isinstance(part, Mapping)
            ]
            if len(parts) != len(schema["allOf"]):
                raise NotExpressible("a schema that is true or false among others")
            rest = {key: value for key, value in schema.items() if key != "allOf"}
            schema = _merged([*parts, rest])
        for key in ("anyOf", "oneOf"):
            if key in schema:
                schema = _one_of(
                    schema, key, [self._resolved(part, seen)[0] for part in schema[key]]
                )
        return schema, seen

    def _target(self, name: str) -> Mapping[str, Any]:
        if not name.startswith("#"):
            raise NotExpressible("a reference to another document")
        target: Any = self.root
        steps = [part.replace("~1", "/").replace("~0", "~") for part in name[1:].split("/")]
        for step in filter(None, steps):
            if not isinstance(target, Mapping) or step not in target:
                raise NotExpressible(f"the reference {name}, which leads nowhere")
            target = target[step]
        if not isinstance(target, Mapping):
            raise NotExpressible("a reference to a schema that is true or false")
        return target

    def _object(self, schema: Mapping[str, Any], seen: tuple[str, ...]) -> Entry:
        extra = schema.get("additionalProperties", True)
        if extra not in (True, False, {}):
            raise NotExpressible("a type for fields that are not listed")
        needed = list(schema.get("required", ()))
        fields: list[Entry] = []
        properties = dict(schema.get("properties", {}))
        for name in needed:
            # Required without a type: any value will do.
            properties.setdefault(name, True)
        for name, part in properties.items():
            if part is False:
                raise NotExpressible("a field that must not be there")
            inner = self.entry(part, seen=seen)
            if name in needed and "logicalType" not in inner:
                raise NotExpressible("a field that must be there, of any type, null included")
            fields.append({"name": name, **inner, "required": name in needed})
        if not extra and set(needed) - set(schema.get("properties", {})):
            raise NotExpressible("a field that is both required and refused")
        options = {key: schema[key] for key in ("minProperties", "maxProperties") if key in schema}
        openness = {"property": "additionalProperties", "value": bool(extra or extra == {})}
        return {"properties": fields, "customProperties": [openness]} | (
            {"logicalTypeOptions": options} if options else {}
        )

    def _array(self, schema: Mapping[str, Any], seen: tuple[str, ...]) -> Entry:
        options = {
            key: schema[key] for key in ("minItems", "maxItems", "uniqueItems") if key in schema
        }
        found: Entry = {"logicalTypeOptions": options} if options else {}
        items = schema.get("items", True)
        if items is False:
            raise NotExpressible("an array of nothing")
        if not isinstance(items, Mapping) or not items:
            return found | {"items": {"required": False}}
        return found | {"items": {"required": True, **self.entry(items, seen=seen)}}


def _type(schema: Mapping[str, Any]) -> tuple[str, bool]:
    """(type, nullable); from the values or the keywords where no type is stated."""
    stated = schema.get("type")
    values = _listed(schema)
    if stated is None and values is not None:
        names = {_name(value) for value in values}
        stated = "number" if names <= {"integer", "number"} else sorted(names)
    if stated is None:
        raise NotExpressible("values of several types")
    names = set(stated if isinstance(stated, list) else [stated])
    nullable = "null" in names and (values is None or None in values)
    if names >= {"integer", "number"}:
        names.discard("integer")
    kinds = names - {"null"}
    if len(kinds) != 1 or not kinds <= KEYWORDS.keys():
        raise NotExpressible("values of several types")
    return kinds.pop(), nullable


def _listed(schema: Mapping[str, Any]) -> list[Any] | None:
    if "const" in schema:
        constant = schema["const"]
        return [constant] if constant in schema.get("enum", [constant]) else []
    return list(schema["enum"]) if "enum" in schema else None


def _values(schema: Mapping[str, Any], kind: str) -> Entry:
    values = _listed(schema)
    if values is None:
        return {}
    fitting = [
        value
        for value in values
        if value is not None
        and (
            _name(value) == kind
            or (kind == "number" and _name(value) == "integer")
            or (kind == "integer" and _name(value) == "number" and value == int(value))
        )
    ]
    if not fitting or kind in ("object", "array"):
        raise NotExpressible("a closed list of documents, or of nothing")
    return {"enum": [{"value": value} for value in fitting]}


def _name(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {
        str: "string",
        int: "integer",
        float: "number",
        list: "array",
        dict: "object",
        type(None): "null",
    }
    return names[type(value)]


def _merged(parts: list[Mapping[str, Any]]) -> Entry:
    """All of the parts at once, where one keyword can say it."""
    found: Entry = {}
    for part in parts:
        for key, value in part.items():
            if key in ANNOTATIONS or key not in found or found[key] == value:
                found[key] = value
            elif key in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
                found[key] = max(found[key], value)
            elif key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"):
                found[key] = min(found[key], value)
            elif key == "type" and {
                found[key] if isinstance(found[key], str) else "",
                value if isinstance(value, str) else "",
            } == {"integer", "number"}:
                found[key] = "integer"
            elif key == "enum":
                found[key] = [one for one in found[key] if one in value]
            elif key == "required":
                found[key] = sorted({*found[key], *value})
            else:
                raise NotExpressible(f"two {key} at once")
    return found


def _one_of(schema: Mapping[str, Any], key: str, parts: list[Mapping[str, Any]]) -> Entry:
    """Alternatives that come down to one type, a closed list, or a type that may be null."""
    rest = {name: value for name, value in schema.items() if name != key}
    if rest.keys() - ANNOTATIONS:
        raise NotExpressible(f"{key} beside other keywords")
    nulls = [part for part in parts if part.get("type") == "null" and not part.keys() - COMMON]
    others = [part for part in parts if part not in nulls]
    if len(others) == 1 and nulls:
        kinds = others[0].get("type", _type(others[0])[0])
        merged = {**others[0], "type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}
        if "enum" in merged:
            merged["enum"] = [*merged["enum"], None]
        return merged
    listed = [_listed(part) for part in others]
    if others and all(
        values is not None and not part.keys() - {"enum", "const", "type"}
        for values, part in zip(listed, others, strict=True)
    ):
        values = [value for group in listed for value in group or ()]
        if key == "anyOf" or len({re.sub(r"\s", "", str(value)) for value in values}) == len(
            values
        ):
            return {"enum": values + ([None] if nulls else [])}
    if len(others) == 1 and not nulls:
        return dict(others[0])
    raise NotExpressible("alternatives of several types")
