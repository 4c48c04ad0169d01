"""Whatever a contract is changed into: reading, lint, diff and the published schemas end with an answer or our error.

Valid contracts are changed in several places at random. The draw of every run is the same; another one, and a longer
one, is made every night.
"""

from __future__ import annotations

import copy
import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mbp.contracts.compatibility.diff import diff
from mbp.contracts.compatibility.odcs_tables import tables
from mbp.contracts.contract_loading import _file, _with_rules
from mbp.contracts.lint.runner import lint_files
from mbp.contracts.policy import POLICY, policy_of
from mbp.contracts.registry.avro import avro_schema
from mbp.contracts.registry.json_schema import json_schema
from mbp.contracts.registry.odcs_documents import from_file
from mbp.contracts.registry.registry_view import diff_document, diff_suite
from mbp.core.errors import MbpError
from mbp.core.paths import project_root

ROOT = project_root(Path(__file__).parent)
POLICY_TEXT = (ROOT / POLICY).read_text(encoding="utf-8")
LIMIT_SECONDS = 5.0
TODAY = date(2026, 11, 29)


def example(version: str, *columns: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": "DataContract",
        "id": "orders",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "orders", "properties": list(columns)}],
        **more,
    }


TEXT = {
    "name": "code",
    "logicalType": "string",
    "physicalType": "varchar(9)",
    "logicalTypeOptions": {"pattern": "^[a-z]+$", "minLength": 1, "maxLength": 9},
}
NUMBER = {
    "name": "price",
    "logicalType": "number",
    "physicalType": "decimal(18,8)",
    "logicalTypeOptions": {"minimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.1},
}
DAY = {
    "name": "day",
    "logicalType": "date",
    "physicalType": "date",
    "logicalTypeOptions": {"format": "yyyy-MM-dd", "minimum": "2020-01-01"},
}
LINES = {
    "name": "lines",
    "logicalType": "array",
    "physicalType": "ARRAY<STRUCT<a INT>>",
    "logicalTypeOptions": {"minItems": 1, "maxItems": 3, "uniqueItems": True},
    "items": {"logicalType": "object", "properties": [TEXT, NUMBER]},
}
STATE = {
    "name": "state",
    "logicalType": "string",
    "classification": "internal",
    "quality": [
        {"metric": "invalidValues", "arguments": {"validValues": ["a", "b"]}, "mustBe": 0},
        {"id": "r", "type": "sql", "query": "select 1", "mustBeLessThan": 3, "severity": "error"},
    ],
}
KEY = {
    "name": "id",
    "logicalType": "integer",
    "physicalType": "bigint",
    "primaryKey": True,
    "primaryKeyPosition": 1,
    "required": True,
    "unique": True,
    "relationships": [{"to": "schema/others/properties/id"}],
}
MAP = {"name": "m", "logicalType": "map", "map": {"key": TEXT, "value": NUMBER}}
LISTED = {"name": "e", "logicalType": "string", "enum": [{"value": "a"}, {"value": "b"}]}
CORPUS = [
    *(yaml.safe_load(path.read_text("utf-8")) for path in sorted((ROOT / "contracts/a106").glob("*.yaml"))),
    example("v3.0.2", KEY, TEXT, NUMBER, DAY),
    example(
        "v3.1.0",
        KEY,
        LINES,
        STATE,
        DAY,
        servers=[{"server": "s", "type": "snowflake", "account": "a", "database": "d", "schema": "s"}],
        slaProperties=[{"property": "latency", "value": 4, "unit": "d", "element": "orders.day"}],
        team={"name": "t", "members": [{"username": "u", "role": "Owner"}]},
        roles=[{"role": "r", "access": "read"}],
        price={"priceAmount": 1, "priceCurrency": "EUR", "priceUnit": "GB"},
        customProperties=[{"property": "changeLog", "value": {"table": "t", "key": "id", "source": "mbp"}}],
    ),
    example("v3.2.0", KEY, MAP, LISTED, LINES, slaDefaultElement="orders.id"),
]  # fmt: skip
WILD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**30, -0.0, 1e300, float("inf"), float("nan"), 10**7),
    *("", " ", "x", "1", "yes", "010", "1.10", "2024-02-30", "2024-01-01", "PT0.5S", "P1Y", "v3.9.0"),
    *("(a+)+$", "^(a|b)*a(a|b){25}$", "(?i)x", "[", "\\p{L}", "a{1,99999}", "(?P<n>a)(?P=n)", "a*" * 40),
    *("decimal(100000000,2)", "varchar(0)", "ARRAY<", "MAP<STRING,", "STRUCT<a: INT", "geometry(1,2)"),
    *("schema/x/properties/y", "a.b.c", "{{ x }}", "<b>", "Ünïcode", "\U0001f600", "a" * 3000, "=1+1"),
    *([], {}, [[]], [None], [{}], {"a": {"b": [1]}}, ["a", "a"], [1, "a", None, {"value": None}]),
    *(date(2024, 1, 1), {"value": 1}, {1: 2}, {None: 1}, [{"name": "x"}, {"name": "x"}]),
]  # fmt: skip
KEYS = [
    *("logicalType", "physicalType", "physicalName", "logicalTypeOptions", "items", "properties", "map"),
    *("enum", "required", "unique", "primaryKey", "quality", "relationships", "classification", "name"),
    *("minimum", "maximum", "pattern", "format", "minLength", "maxItems", "multipleOf", "timezone", "id"),
    *("customProperties", "tags", "servers", "slaProperties", "team", "roles", "price", "description"),
    *("apiVersion", "kind", "version", "status", "domain", "schema", "query", "mustBe", "mustBeBetween"),
    *("value", "unit", "element", "driver", "type", "metric", "arguments", "implementation", "severity"),
]  # fmt: skip


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document but its root."""
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    return [one for key, item in inner for one in ((*place, key), *places(item, (*place, key)))]


def changed(draw: st.DrawFn, document: Any) -> None:
    """One change of one place."""
    known = places(document)
    if not known:
        return
    *steps, key = draw(st.sampled_from(known))
    holder = document
    for step in steps:
        holder = holder[step]
    kind = draw(st.integers(0, 5))
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif kind == 2 and isinstance(holder[key], dict):
        holder[key][draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(st.sampled_from(WILD)))
    elif kind == 3:
        other = document
        for step in draw(st.sampled_from(known)):
            other = other[step]
        holder[key] = copy.deepcopy(other)
    elif kind == 4 and isinstance(holder[key], str):
        text = holder[key]
        at = draw(st.integers(0, len(text)))
        holder[key] = (
            text[:at]
            + draw(st.sampled_from(["", "(", ")", "<", ",", "'", "\n", "0"]))
            + text[at + 1 :]
        )
    else:
        holder[key] = copy.deepcopy(draw(st.sampled_from(WILD)))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """A contract and what it was changed into, as texts; the first one may be changed too."""
    document = copy.deepcopy(draw(st.sampled_from(CORPUS)))
    for _ in range(draw(st.integers(0, 1))):
        changed(draw, document)
    old = yaml.safe_dump(document, sort_keys=False)
    for _ in range(draw(st.integers(1, 4))):
        changed(draw, document)
    new = yaml.safe_dump(document, sort_keys=False)
    if draw(st.integers(0, 19)) == 0:
        at = draw(st.integers(0, len(new)))
        new = (
            new[:at]
            + draw(st.sampled_from(["\t", "\x00", ": ", "&a *a", "- ", "\ufeff", "!!x "]))
            + new[at:]
        )
    return old, new


def attempt(step: Any) -> Any:
    """The result, None after an error of ours. Fails on any other error, and after more than the limit."""
    begun = time.process_time()
    try:
        return step()
    except MbpError as error:
        assert error.what
        return None
    finally:
        taken = time.process_time() - begun
        assert taken < LIMIT_SECONDS, f"{taken:.1f} s"


def judge(folder: Path, old: str, new: str) -> None:
    """All that is done with a contract that somebody writes."""
    files = [folder / "old.odcs.yaml", folder / "new.odcs.yaml"]
    for file, text in zip(files, (old, new), strict=True):
        file.write_text(text, encoding="utf-8")
    for suite in (attempt(lambda: lint_files(files, TODAY)),):
        assert suite is None or all(finding.message for finding in suite.findings)
    file, _ = attempt(lambda: _file(new, "new.odcs.yaml", POLICY_TEXT)) or (None, ())
    if file is not None:
        attempt(lambda: _with_rules({file.dataset: file}, policy_of(POLICY_TEXT), {}))
    documents = [attempt(lambda path=path: from_file(path, folder)) for path in files]
    if None in documents:
        return
    for before, after in (documents, documents[::-1]):
        changes = attempt(lambda before=before, after=after: diff(before, after))
        if changes is not None:
            json.dumps(diff_document(changes), default=str)
            attempt(lambda changes=changes: diff_suite(changes, *map(str, files)))
    for table in (attempt(lambda: tables(documents[1], "new")) or {}).values():
        attempt(lambda table=table: json_schema(table, "urn:x"))
        attempt(lambda table=table: avro_schema(table, "x"))


CALM = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@given(pairs())
@settings(max_examples=30, derandomize=True, **CALM)
def test_the_same_changes_in_every_run(tmp_path: Path, pair: tuple[str, str]) -> None:
    judge(tmp_path, *pair)


@pytest.mark.timeout(3600)
@given(pairs())
@settings(max_examples=1500, **CALM)
def test_other_changes_every_night(tmp_path: Path, pair: tuple[str, str]) -> None:
    judge(tmp_path, *pair)
