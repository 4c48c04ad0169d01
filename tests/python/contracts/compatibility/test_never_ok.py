"""No verdict is ok by default: types on their engine, values in their domain, formats, every key."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from mbp.contracts.compatibility.change_model import Change
from mbp.contracts.compatibility.diff import diff, verdicts
from mbp.contracts.registry.odcs_documents import from_file
from mbp.core.paths import project_root

SHARED = project_root(Path(__file__).parent).parent / "shared" / "faults" / "contracts"


def contract(column: dict[str, Any], *engines: str, **keys: Any) -> dict[str, Any]:
    """A contract with one column `c`, on servers of these types."""
    servers = [{"server": engine, "type": engine} for engine in engines]
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "c",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "t", "properties": [{"name": "c", **column}]}],
        **({"servers": servers} if servers else {}),
        **keys,
    }


def judged(old: dict[str, Any], new: dict[str, Any], *engines: str) -> tuple[str, str]:
    """(BACKWARD, FORWARD) of a change of the column."""
    both = verdicts(diff(contract(old, *engines), contract(new, *engines)))
    return both.backward.value, both.forward.value


TYPES = [
    ("STRING(100)", "STRING(10)", (), "break", "ok"),
    ("text(100)", "text(10)", (), "break", "ok"),
    ("STRING(100)", "STRING(10)", ("bigquery",), "break", "ok"),
    ("varchar(10)", "varchar(20)", (), "ok", "break"),
    ("ARRAY<INT>", "ARRAY<STRING>", (), "break", "break"),
    ("ARRAY<INT>", "ARRAY<BIGINT>", (), "ok", "break"),
    ("int[]", "array<int>", (), "ok", "ok"),
    ("STRUCT<a: INT>", "STRUCT<a: STRING>", ("spark",), "break", "break"),
    ("STRUCT<a: INT>", "STRUCT<a: INT, b: INT>", ("spark",), "break", "unknown"),
    ("STRUCT<a: INT, b: INT>", "STRUCT<b: INT, a: INT>", ("spark",), "unknown", "unknown"),
    ("MAP<STRING, INT>", "MAP<STRING, STRING>", (), "break", "break"),
    ("TIMESTAMP", "TIMESTAMP_NTZ", (), "unknown", "unknown"),
    ("TIMESTAMP", "TIMESTAMP_NTZ", ("databricks",), "break", "break"),
    ("TIMESTAMP", "TIMESTAMP_NTZ", ("snowflake",), "unknown", "unknown"),
    ("TIMESTAMP", "TIMESTAMP_NTZ", ("duckdb",), "ok", "ok"),
    ("TIMESTAMP_TZ", "TIMESTAMP_LTZ", ("snowflake",), "break", "break"),
    ("TIMESTAMP", "DATETIME", ("bigquery",), "break", "break"),
    ("double", "float", (), "unknown", "ok"),
    ("double", "float", ("postgres",), "ok", "ok"),
    ("double", "float", ("mysql",), "break", "ok"),
    ("double", "float", ("postgres", "mysql"), "unknown", "ok"),
    ("double", "float", ("snowflake",), "ok", "ok"),
    ("int", "bigint", ("snowflake",), "ok", "ok"),
    ("int", "bigint", ("postgres",), "ok", "break"),
    ("tinyint", "smallint", ("sqlserver",), "ok", "break"),
    ("decimal", "decimal(10,0)", ("spark",), "ok", "ok"),
    ("decimal", "decimal(10,0)", ("postgres",), "break", "unknown"),
    ("varchar(9)", "nvarchar(9)", ("sqlserver",), "unknown", "unknown"),
    ("varchar(9)", "varchar(9) character set latin1", ("mysql",), "unknown", "unknown"),
    ("varchar2(9 char)", "varchar2(9 byte)", ("oracle",), "unknown", "unknown"),
    ("jsonb", "json", ("postgres",), "unknown", "unknown"),
    ("citext", "text", ("postgres",), "unknown", "unknown"),
    ("enum('a')", "enum('A')", ("mysql",), "unknown", "unknown"),
    ("quantum", "quantum", (), "ok", "ok"),
    ("quantum", "Quantum", (), "ok", "ok"),
    ("int", "integer", (), "ok", "ok"),
]


@pytest.mark.parametrize(("old", "new", "engines", "backward", "forward"), TYPES)
def test_physical_types(
    old: str, new: str, engines: tuple[str, ...], backward: str, forward: str
) -> None:
    found = judged({"physicalType": old}, {"physicalType": new}, *engines)
    if old == "decimal" and engines == ("postgres",):
        # Any digits were allowed: fewer are a break; that the reverse is known is not demanded.
        assert found[0] == backward
    else:
        assert found == (backward, forward)


@pytest.mark.parametrize("logical", ["object", "array"])
def test_the_physical_type_of_a_container_counts(logical: str) -> None:
    old = {"logicalType": logical, "physicalType": "jsonb"}
    assert judged(old, {**old, "physicalType": "variant"}) == ("unknown", "unknown")


def test_a_logical_type_counts_beside_a_new_physical_one() -> None:
    new = {"logicalType": "date", "physicalType": "varchar(10)"}
    assert judged({"logicalType": "string"}, new)[0] != "ok"


def listed(logical: str, *values: Any, **more: Any) -> dict[str, Any]:
    """A column with a closed list."""
    return {"logicalType": logical, "enum": [{"value": value} for value in values], **more}


DATE = {"minimum": "2021-01-01"}
VALUES = [
    (listed("date", "2020-01-01", "2020-01-02"), listed("date", "2020-01-01"), "break", "ok"),
    (
        listed("date", "2020-01-01"),
        listed("date", "2020-01-01", logicalTypeOptions=DATE),
        "break",
        "ok",
    ),
    (listed("integer", "1", "2"), listed("integer", "1"), "break", "ok"),
    (listed("integer", "1", "2"), listed("integer", 1, 2), "ok", "ok"),
    (listed("number", "1.50"), listed("number", 1.5), "ok", "ok"),
    (listed("integer", 1), listed("integer", 1, "c"), "ok", "unknown"),
    (listed("date", "soon"), listed("date", "soon", logicalTypeOptions=DATE), "unknown", "ok"),
    (
        listed("date", "2020-01-01", physicalType="varchar(10)"),
        listed("date", "2020-01-01", physicalType="varchar(10)", logicalTypeOptions=DATE),
        "unknown",
        "ok",
    ),
    (
        listed("date", "31/12/2020", logicalTypeOptions={"format": "dd/MM/yyyy"}),
        listed("date", "31/12/2020", logicalTypeOptions={"format": "dd/MM/yyyy", **DATE}),
        "break",
        "ok",
    ),
    (
        listed("string", "a", physicalType="uuid"),
        listed("string", "a", physicalType="uuid", logicalTypeOptions={"pattern": "^b$"}),
        "break",
        "ok",
    ),
    # No logical type any more, and a list instead: the values were free.
    ({"logicalType": "string"}, {"enum": [{"value": "a"}]}, "break", None),
]


@pytest.mark.parametrize(("old", "new", "backward", "forward"), VALUES)
def test_closed_lists(old: Any, new: Any, backward: str, forward: str | None) -> None:
    found = judged(old, new)
    assert found[0] == backward or (backward == "break" and "enum" not in old and found[0] != "ok")
    assert forward is None or found[1] == forward


def test_lists_that_share_no_value_are_no_missing_list() -> None:
    rule = {"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["b"]}}
    both = listed("string", "a", quality=[{"id": "q", **rule}])
    assert judged({"logicalType": "string"}, both)[0] == "break"
    assert judged(both, listed("string", "x"))[0] != "ok"


FORMATS = [
    (None, "uuid", "break", "ok"),
    ("uuid", None, "ok", "break"),
    ("uuid", "email", "unknown", "unknown"),
    ("ipv4", "hostname", "ok", "unknown"),
    (None, "made-up", "unknown", "ok"),
]


@pytest.mark.parametrize(("old", "new", "backward", "forward"), FORMATS)
def test_formats_of_texts(old: str | None, new: str | None, backward: str, forward: str) -> None:
    columns = [
        {"logicalType": "string"} | ({"logicalTypeOptions": {"format": form}} if form else {})
        for form in (old, new)
    ]
    assert judged(*columns) == (backward, forward)


def test_a_new_format_holds_for_a_list_that_has_it() -> None:
    name = "0b8a6b0e-6e41-4b0a-8a55-1c3bb2f7a7b1"
    options = {"logicalTypeOptions": {"format": "uuid"}}
    assert judged(listed("string", name), listed("string", name, **options)) == ("ok", "ok")
    assert judged(listed("string", "x"), listed("string", "x", **options))[0] == "break"


def levels(*entries: dict[str, Any]) -> dict[str, Any]:
    return contract({"logicalType": "string"}, slaProperties=list(entries))


LEVELS = [
    ({"value": "P1D"}, {"value": "PT36H"}, {"sla_latency_loosened"}),
    ({"value": "PT24H"}, {"value": 1, "unit": "d"}, {"metadata_changed"}),
    ({"value": "P1M"}, {"value": "P2M"}, {"sla_latency_loosened"}),
    ({"value": 4, "unit": "h"}, {"value": 4, "unit": "parsecs"}, {"sla_latency_changed"}),
    ({"value": "x", "unit": "ms"}, {"value": "y", "unit": "ms"}, {"sla_latency_changed"}),
]


@pytest.mark.parametrize(("old", "new", "codes"), LEVELS)
def test_service_levels(old: Any, new: Any, codes: set[str]) -> None:
    changes = diff(*(levels({"property": "latency", **entry}) for entry in (old, new)))
    assert {change.code for change in changes} == codes


def test_service_levels_are_told_apart_by_their_driver() -> None:
    entries = [
        {"property": "retention", "value": value, "unit": "y", "element": "t.c", "driver": driver}
        for value, driver in ((10, "regulatory"), (1, "analytics"))
    ]
    (change,) = diff(levels(*entries), levels({**entries[0], "value": 1}, entries[1]))
    assert (change.code, change.forward.value) == ("sla_retention_loosened", "break")


def test_numbers_keep_their_last_digit() -> None:
    path = SHARED / "pub_05_bounds_through_floats"
    if not path.is_dir():
        pytest.skip("the faults are not beside the repository")
    (change,) = diff(*(from_file(path / f"{side}.odcs.yaml", path) for side in ("old", "new")))
    assert (change.code, change.backward.value) == ("maximum_lowered", "break")


def changes_of_file(name: str) -> list[Change]:
    old, new = (from_file(SHARED / f"{name}.{side}.yaml", SHARED) for side in ("old", "new"))
    return diff(old, new)


@pytest.mark.parametrize(
    "name",
    sorted(
        str(path.relative_to(SHARED)).removesuffix(".old.yaml")
        for path in SHARED.glob("0*/*.old.yaml")
        if path.parent.name in ("01_types_judged_equal", "02_closed_list_of_other_representation")
    )
    or [
        pytest.param("", marks=pytest.mark.skip(reason="the faults are not beside the repository"))
    ],
)
def test_the_pairs_that_were_judged_ok_are_not(name: str) -> None:
    assert verdicts(changes_of_file(name)).backward.value != "ok"


@pytest.mark.parametrize("name", ["custom", "vendor"])
def test_a_property_of_others_is_documentation(name: str) -> None:
    old = {"logicalType": "string", "customProperties": [{"property": name, "value": 1}]}
    new = copy.deepcopy(old)
    new["customProperties"][0]["value"] = 2
    (change,) = diff(contract(old), contract(new))
    assert (change.code, change.backward.value, change.forward.value) == (
        "metadata_changed",
        "ok",
        "ok",
    )
    old["customProperties"].append({"property": "unit", "value": "kg"})
    new["customProperties"].append({"property": "unit", "value": "g"})
    assert verdicts(diff(contract(old), contract(new))).backward.value == "break"


def test_a_classification_in_other_letters_is_the_same() -> None:
    text = {"logicalType": "string", "classification": "internal"}
    (change,) = diff(contract(text), contract({**text, "classification": "Internal"}))
    assert change.code == "metadata_changed"


def test_a_reference_by_ids_is_the_same_reference_by_names() -> None:
    other = {"name": "u", "id": "u-1", "properties": [{"name": "k", "id": "k-1"}]}

    def of(to: str) -> dict[str, Any]:
        document = contract({"relationships": [{"to": to}]})
        document["schema"].append(other)
        return document

    names, ids = of("u.k"), of("schema/u-1/properties/k-1")
    assert diff(names, ids) == []
    both = verdicts(diff(names, of("schema/v/properties/k-1")))
    assert (both.backward.value, both.forward.value) == ("break", "break")
    # Of a table in another document: whether the names are also its ids is not known.
    both = verdicts(diff(of("v.k"), of("schema/v/properties/k")))
    assert (both.backward.value, both.forward.value) == ("unknown", "unknown")


BEYOND = [
    (r"^\w+$", "^[A-Za-z0-9_]+$", (), "unknown", "ok"),
    (r"^\w+$", "^[A-Za-z0-9_]+$", ("postgres",), "unknown", "ok"),
    (r"^\w+$", "^[A-Za-z0-9_]+$", ("duckdb",), "ok", "ok"),
    (r"^[0-9]{4}$", r"^\d{4}$", (), "ok", "unknown"),
    (r"^[\d-]{4}$", r"^[\w-]{4}$", (), "ok", "break"),
    (r"^\S+$", r"^.+$", (), "break", "break"),
    (r"^\d{2}$", r"^\d{2,3}$", ("postgres",), "ok", "break"),
]


@pytest.mark.parametrize(("old", "new", "engines", "backward", "forward"), BEYOND)
def test_short_classes_are_letters_of_the_engine(
    old: str, new: str, engines: tuple[str, ...], backward: str, forward: str
) -> None:
    columns = [
        {"logicalType": "string", "logicalTypeOptions": {"pattern": pattern}}
        for pattern in (old, new)
    ]
    assert judged(columns[0], columns[1], *engines) == (backward, forward)
