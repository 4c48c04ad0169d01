"""Every key of the official schemas is judged or documentation, and none changes in silence."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from compatibility.test_never_ok import contract
from mbp.contracts.compatibility.diff import diff, verdicts
from mbp.contracts.compatibility.standard import STANDARD
from mbp.contracts.standards import SCHEMAS, schema_of

# Definitions of the schemas whose keys are those of another one.
SAME = {
    "SchemaElement": "SchemaObject",
    "SchemaBaseProperty": "SchemaProperty",
    "SchemaItemProperty": "SchemaProperty",
    "DataQualityChecks": "DataQuality",
    "DataQualityOperators": "DataQuality",
    "DataQualityLibrary": "DataQuality",
    "DataQualitySql": "DataQuality",
    "DataQualityCustom": "DataQuality",
    "RelationshipSchemaLevel": "RelationshipBase",
    "RelationshipPropertyLevel": "RelationshipBase",
}
# 3.0 lists the members of a team under `Team`.
NESTED = {".logicalTypeOptions": "logicalTypeOptions", ".map": "map", ".description": "description"}


def keys_in(schema: Any, path: str, found: dict[str, set[str]]) -> None:
    """Path -> keys that the schema names there, through all of its branches."""
    if not isinstance(schema, dict):
        return
    for key, part in schema.get("properties", {}).items():
        found.setdefault(path, set()).add(key)
        keys_in(part, f"{path}.{key}", found)
    for word in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(word, ()):
            keys_in(part, path, found)
    for word in ("if", "then", "else", "items"):
        keys_in(schema.get(word), path, found)


@pytest.mark.parametrize("series", SCHEMAS)
def test_every_key_stands_in_one_list(series: str) -> None:
    schema = schema_of(series)
    found: dict[str, dict[str, set[str]]] = {"": {}}
    keys_in({key: part for key, part in schema.items() if key != "$defs"}, "", found[""])
    for name, part in schema["$defs"].items():
        keys_in(part, "", found.setdefault(name, {}))
    missing = []
    for name, paths in found.items():
        for path, keys in paths.items():
            if name in ("Server", "ServerSource") and name not in STANDARD:
                continue
            where = NESTED.get(path, path.rpartition(".")[2]) if path else SAME.get(name, name)
            known = STANDARD.get(where)
            allowed = known.judged | known.documentation if known else set()
            if where == "Team" and series == "3.0":
                allowed |= STANDARD["TeamMember"].judged | STANDARD["TeamMember"].documentation
            missing += [(name, path, key) for key in sorted(keys - allowed)]
    assert not missing


def test_no_key_stands_in_both_lists() -> None:
    for name, keys in STANDARD.items():
        assert not keys.judged & keys.documentation, name


def with_key(place: str, key: str, value: Any) -> dict[str, Any]:
    """A contract in which one element has one key more."""
    whole = contract(
        {
            "logicalType": "string",
            "quality": [{"id": "q", "metric": "nullValues", "mustBe": 0}],
            "relationships": [{"to": "u.id"}],
        },
        "postgres",
        slaProperties=[{"property": "latency", "value": 4, "unit": "h"}],
        roles=[{"role": "reader"}],
        team={"name": "one"},
        description={"purpose": "x"},
    )
    column = whole["schema"][0]["properties"][0]
    element = {
        "": whole,
        "description": whole["description"],
        "Server": whole["servers"][0],
        "SchemaObject": whole["schema"][0],
        "SchemaProperty": column,
        "logicalTypeOptions": column.setdefault("logicalTypeOptions", {}),
        "DataQuality": column["quality"][0],
        "Role": whole["roles"][0],
        "Team": whole["team"],
        "ServiceLevelAgreementProperty": whole["slaProperties"][0],
        "RelationshipBase": column["relationships"][0],
    }[place]
    if not column["logicalTypeOptions"] and place != "logicalTypeOptions":
        del column["logicalTypeOptions"]
    element[key] = value
    return whole


def value_of(key: str, number: int) -> Any:
    """Two different values that the key may have."""
    lists: dict[str, Any] = {
        "schema": [{"name": f"s{number}"}],
        "properties": [{"name": f"p{number}", "logicalType": "string"}],
        "items": {"logicalType": ("string", "integer")[number]},
        "enum": [{"value": f"v{number}"}],
        "quality": [{"id": f"q{number}", "metric": "nullValues", "mustBe": number}],
        "relationships": [{"to": f"u.c{number}"}],
        "servers": [{"server": f"s{number}", "type": "postgres"}],
        "roles": [{"role": f"r{number}"}],
        "slaProperties": [{"property": "latency", "value": number + 1, "unit": "h"}],
        "customProperties": [{"property": "foreign", "value": number}],
        "arguments": {"validValues": [f"v{number}"]},
        "logicalTypeOptions": {"maxLength": number + 1},
        "map": {
            "key": {"logicalType": "string"},
            "value": {"logicalType": ("string", "date")[number]},
        },
        "context": {"instructions": f"text {number}"},
        "description": {"purpose": f"text {number}"},
        "team": {"name": f"team {number}"},
        "status": ("active", "deprecated")[number],
        "logicalType": ("string", "integer")[number],
        "metric": ("nullValues", "duplicateValues")[number],
        "required": bool(number),
        "pattern": ("^a$", "^b$")[number],
        "apiVersion": ("v3.1.0", "v3.2.0")[number],
        "element": f"t.e{number}",
    }
    flags = {"unique", "primaryKey", "partitioned", "criticalDataElement", "deprecated", "timezone"}
    flags |= {"uniqueItems", "normalized"}
    if key in flags:
        return bool(number)
    if key.startswith(("minimum", "maximum", "exclusive", "mustBe", "mustNot")):
        return [number, number + 5] if key.endswith("Between") else number
    if (
        key.startswith(("min", "max"))
        or key in ("multipleOf", "dimensions")
        or key.endswith("Position")
    ):
        return number + 1
    return lists.get(key, f"text {number}")


PLACES = (
    *("", "description", "Server", "SchemaObject", "SchemaProperty", "logicalTypeOptions"),
    *("DataQuality", "Role", "Team", "ServiceLevelAgreementProperty", "RelationshipBase"),
)
# The version is what the changes demand, and no change by itself; the name of a table is who it is.
SILENT = {("", "version")}


@pytest.mark.parametrize(
    ("place", "key"),
    [
        (place, key)
        for place in PLACES
        for key in sorted(STANDARD[place].judged | STANDARD[place].documentation)
        if (place, key) not in SILENT
    ],
)
def test_a_change_of_the_key_is_a_change(place: str, key: str) -> None:
    if (place, key) == ("logicalTypeOptions", "required"):
        return  # names fields; see test_required_fields_of_an_object
    old, new = (with_key(place, key, value_of(key, number)) for number in (0, 1))
    changes = diff(old, new)
    assert changes
    if key in STANDARD[place].documentation:
        both = verdicts(changes)
        assert (both.backward.value, both.forward.value) == ("ok", "ok")


def test_required_fields_of_an_object() -> None:
    fields = [{"name": "a", "logicalType": "string"}]
    old = {"logicalType": "object", "properties": fields}
    new = {**copy.deepcopy(old), "logicalTypeOptions": {"required": ["a"]}}
    both = verdicts(diff(contract(old), contract(new)))
    assert (both.backward.value, both.forward.value) == ("break", "ok")


@pytest.mark.parametrize("key", ["primaryKeyPosition", "severity", "cardinality"])
def test_what_was_silent(key: str) -> None:
    old, new = (
        with_key("SchemaProperty", "primaryKeyPosition", 1),
        with_key("SchemaProperty", "primaryKeyPosition", 2),
    )
    if key == "severity":
        old, new = (with_key("DataQuality", key, word) for word in ("critical", "low"))
    elif key == "cardinality":
        entries = [[{"property": key, "value": text}] for text in ("many-to-one", "one-to-one")]
        old, new = (with_key("RelationshipBase", "customProperties", one) for one in entries)
    assert diff(old, new)
