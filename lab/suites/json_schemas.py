"""JSON Schemas -> ODCS: a table with one column `value` that holds the document.

An object says by a customProperty whether it takes fields that are not listed, which ODCS cannot say
itself. What has no ODCS counterpart (alternatives, negation, conditions, patterns of names) is not
expressible, unless it can be written as one plain type.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from lab.suites import NotExpressible

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
# Keywords that limit values and that ODCS cannot say; every other unknown keyword is an annotation.
LIMITING = {
    *("not", "if", "then", "else", "dependencies", "dependentRequired", "dependentSchemas"),
    *("patternProperties", "propertyNames", "contains", "minContains", "maxContains"),
    *("prefixItems", "unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef"),
    *("allOf", "anyOf", "oneOf", "extends", "disallow", "divisibleBy"),
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
    old, new = _contract(case["old"]), _contract(case["new"])
    _no_map_beside_object(*(contract["schema"][0]["properties"][0] for contract in (old, new)))
    return old, new


def _no_map_beside_object(old: Entry, new: Entry) -> None:
    """In a document a map is an object too; in a table the two are different types."""
    if {old.get("logicalType"), new.get("logicalType")} == {"map", "object"}:
        raise NotExpressible("an object with listed fields beside one of any")
    fields = {field["name"]: field for field in old.get("properties", ())}
    for field in new.get("properties", ()):
        if field["name"] in fields:
            _no_map_beside_object(fields[field["name"]], field)
    for key in ("items", "map"):
        if key in old and key in new:
            left, right = old[key], new[key]
            _no_map_beside_object(
                *((left["value"], right["value"]) if key == "map" else (left, right))
            )


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
        limiting = LIMITING & plain.keys()
        if limiting:
            raise NotExpressible(f"the keyword {sorted(limiting)[0]}")
        if isinstance(plain.get("$ref"), str) or isinstance(plain.get("required"), bool):
            raise NotExpressible("keywords of an older draft")
        if kind == "any":
            return self._listed_only(plain, top=top)
        for key in ("exclusiveMinimum", "exclusiveMaximum"):
            if isinstance(plain.get(key), bool):
                raise NotExpressible(f"{key} as draft 4 writes it")
        results: Entry = {"logicalType": kind} | ({"required": False} if nullable else {})
        results |= _values(plain, kind)
        if kind == "object":
            results |= self._object(plain, seen)
        elif kind == "array":
            results |= self._array(plain, seen)
        else:
            options = {key: plain[key] for key in sorted(KEYWORDS[kind] & plain.keys())}
            results |= {"logicalTypeOptions": options} if options else {}
        return results

    @staticmethod
    def _listed_only(schema: Mapping[str, Any], *, top: bool) -> Entry:
        """A closed list of values of several types."""
        values = _listed(schema) or []
        others = set(schema) & (ASSERTIONS - {"type"})
        if others or any(isinstance(value, dict | list) for value in values):
            raise NotExpressible("values of several types")
        if None in values and not top:
            raise NotExpressible("a field that may be null: absent and null are one in a table")
        stated = schema.get("type")
        names = set([stated] if isinstance(stated, str) else stated or ())
        names |= {"integer"} if "number" in names else set()
        fitting = [
            {"value": value}
            for value in values
            if not names
            or _name(value) in names
            or ("integer" in names and isinstance(value, float) and value == int(value))
        ]
        if not fitting:
            raise NotExpressible("a closed list of nothing")
        return {"enum": fitting} | ({"required": False} if None in values else {})

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
                if not all(isinstance(part, Mapping) for part in schema[key]):
                    raise NotExpressible("a schema that is true or false among others")
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
        if (
            isinstance(extra, Mapping)
            and extra
            and not schema.keys() - {"type", "additionalProperties"}
        ):
            value = {"required": True, **self.entry(extra, seen=seen)}
            key = {"logicalType": "string", "required": True}
            return {"logicalType": "map", "map": {"key": key, "value": value}}
        if extra not in (True, False, {}):
            raise NotExpressible("a type for fields that are not listed")
        needed = list(schema.get("required", ()))
        fields: list[Entry] = []
        properties = dict(schema.get("properties", {}))
        for name in needed:
            # Required without a type: any value will do.
            properties.setdefault(name, True)
        for name, part in properties.items():
            if part is False and extra is False and name not in needed:
                continue  # refused like any other
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
        results: Entry = {"logicalTypeOptions": options} if options else {}
        items = schema.get("items", True)
        if isinstance(items, list):
            raise NotExpressible("items by their place in the array")
        if items is False:
            if options.get("minItems"):
                raise NotExpressible("an array that no value fits")
            none = {"logicalTypeOptions": {**options, "maxItems": 0}}
            return none | {"items": {"required": False}}
        if not isinstance(items, Mapping) or not items:
            return results | {"items": {"required": False}}
        return results | {"items": {"required": True, **self.entry(items, seen=seen)}}


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
    if values is not None and len(kinds) != 1 and kinds <= KEYWORDS.keys():
        return "any", nullable
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
    results: Entry = {}
    for part in parts:
        for key, value in part.items():
            if key in ANNOTATIONS or key not in results or results[key] == value:
                results[key] = value
            elif key in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
                results[key] = max(results[key], value)
            elif key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"):
                results[key] = min(results[key], value)
            elif key == "type":
                results[key] = _both_types(results[key], value)
            elif key == "multipleOf" and isinstance(value, int) and isinstance(results[key], int):
                results[key] = math.lcm(value, results[key])
            elif key == "uniqueItems":
                results[key] = bool(results[key] or value)
            elif key == "properties" and False not in (
                results.get("additionalProperties"),
                part.get("additionalProperties"),
            ):
                both = results[key].keys() & value.keys()
                results[key] = {
                    **results[key],
                    **value,
                    **{name: {"allOf": [results[key][name], value[name]]} for name in both},
                }
            elif (
                key == "items" and isinstance(value, Mapping) and isinstance(results[key], Mapping)
            ):
                results[key] = {"allOf": [results[key], value]}
            elif key == "enum":
                results[key] = [item for item in results[key] if item in value]
            elif key == "required":
                results[key] = sorted({*results[key], *value})
            else:
                raise NotExpressible(f"two {key} at once")
    return results


def _both_types(old: Any, new: Any) -> str | list[str]:
    """The types that both allow; an integer is a number."""
    sides = [set([side] if isinstance(side, str) else side) for side in (old, new)]
    wide = [side | ({"integer"} if "number" in side else set()) for side in sides]
    results = sorted(wide[0] & wide[1])
    if not results:
        raise NotExpressible("types that no value has at once")
    return results[0] if len(results) == 1 else results


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
