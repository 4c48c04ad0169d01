"""The official ODCS schemas: each document must follow the one of its `apiVersion`.

Validation is compiled, and every column is judged without those inside it, so that nesting costs nothing.
Only where something is wrong a second validator finds the words for people.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jsonschema_rs
from jsonschema import Draft201909Validator

from mbp.core.errors import MbpError
from mbp.core.schema_check import SchemaViolation, as_json, line_at, place_text, violations_in
from mbp.core.yaml_io import plain

# Series of the standard -> the schema that all of its versions are valid against.
SCHEMAS = {"3.0": "3.0.2", "3.1": "3.1.0", "3.2": "3.2.0"}
NEWEST = "3.2"
OLD = re.compile(r"v?[12]\.\d+\.\d+")
VERSION = re.compile(r"v?(\d+\.\d+)\.\d+")
# More wrong places than anybody reads.
MOST_WRONG = 200
STUB: Mapping[str, Any] = {"logicalType": "string"}
DEEPEST = 200


@dataclass(frozen=True)
class Judge:
    """One schema, compiled for the answer and as written for the words."""

    compiled: Any
    worded: Draft201909Validator


@dataclass(frozen=True)
class Standard:
    """The judges of a document, of its columns and of the elements inside columns."""

    document: Judge
    column: Judge
    element: Judge
    whole: Any


@cache
def schema_of(series: str) -> dict[str, Any]:
    """The official schema of a series like '3.1'."""
    source = resources.files("mbp.contracts") / "odcs" / f"{SCHEMAS[series]}.json"
    results: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return results


@cache
def standard(series: str, *, house: bool) -> Standard:
    """The judges of a series.

    Args:
        house: also refuse keys that the standard leaves open and nothing reads.
    """
    schema = json.loads(json.dumps(schema_of(series)))
    if house:
        # The one object that the standard leaves open: a mistyped `purpose` would be lost in silence.
        schema["properties"]["description"]["additionalProperties"] = False
    shared = {"$schema": schema["$schema"], "$defs": schema["$defs"]}
    return Standard(
        _judge(schema),
        _judge({**shared, "$ref": "#/$defs/SchemaProperty"}),
        _judge({**shared, "$ref": "#/$defs/SchemaItemProperty"}),
        jsonschema_rs.Draft201909Validator(schema),
    )


def _judge(schema: dict[str, Any]) -> Judge:
    return Judge(jsonschema_rs.Draft201909Validator(schema), Draft201909Validator(schema))


def check_odcs(document: Any, path: str, *, house: bool = False) -> Any:
    """`document` as ordinary dicts and lists when it is valid ODCS of its version.

    Raises:
        MbpError: the first violation by kind and line.
    """
    value = as_json(plain(document))
    schema_violations = odcs_violations(document, value, house=house)
    if schema_violations:
        first = schema_violations[0]
        raise MbpError(first.what, path=path, line=first.line, fix=first.fix)
    return value


def odcs_violations(document: Any, value: Any, *, house: bool = False) -> list[SchemaViolation]:
    """Everything in which a document does not follow the standard of its `apiVersion`.

    Args:
        document: with line numbers.
        value: the same as plain data.
    """
    refused = list(_refused(document, value))
    if refused:
        return refused
    judges = standard(_series(value), house=house)
    try:
        if judges.whole.is_valid(value):
            return []
    except ValueError:
        pass  # a number beyond what the compiled validator reads: the parts are judged below
    schema_violations = list(_parts(document, value, judges))
    if not schema_violations:
        where = line_at(document, ())
        what = "the document does not follow the standard, in a way that no message describes"
        return [SchemaViolation("wrong value", where, what, "compare it with the standard", ())]
    unique = {
        (schema_violation.kind, schema_violation.line, schema_violation.what): schema_violation
        for schema_violation in schema_violations
    }
    return sorted(
        unique.values(),
        key=lambda schema_violation: (
            schema_violation.kind != "unknown key",
            schema_violation.line or 0,
            schema_violation.what,
        ),
    )


def _series(value: Any) -> str:
    """Of the schema to judge by; the newest where the document does not say."""
    stated = value.get("apiVersion") if isinstance(value, dict) else None
    match = VERSION.fullmatch(stated) if isinstance(stated, str) else None
    return match[1] if match and match[1] in SCHEMAS else NEWEST


def _refused(document: Any, value: Any) -> Iterator[SchemaViolation]:
    """What no schema is asked about: versions that are not read, and numbers that are none."""
    stated = value.get("apiVersion") if isinstance(value, dict) else None
    if isinstance(stated, str):
        line = line_at(document, ["apiVersion"])
        if OLD.fullmatch(stated):
            what = f"apiVersion {stated}: ODCS before 3.0 is not read"
            fix = "migrate the contract to ODCS 3.1.0"
            yield SchemaViolation("wrong value", line, what, fix, ("apiVersion",))
        elif (match := VERSION.fullmatch(stated)) and match[1] not in SCHEMAS:
            what = f"apiVersion {stated}: expected ODCS 3.0, 3.1 or 3.2"
            yield SchemaViolation(
                "wrong value", line, what, "name a version that is read", ("apiVersion",)
            )
    for place in _endless(value, ()):
        line = line_at(document, place)
        what = f"{place_text(place)}: expected a finite number, found .inf or .nan"
        yield SchemaViolation(
            "wrong value", line, what, "write a number, or leave the key out", place
        )


def _endless(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, float):
        if not math.isfinite(value):
            yield place
        return
    inner: Any = ()
    if len(place) <= 4 * DEEPEST:
        inner = value.items() if isinstance(value, dict) else ()
        inner = enumerate(value) if isinstance(value, list) else inner
    for key, item in inner:
        if isinstance(item, dict | list | float):
            yield from _endless(item, (*place, key))


def _parts(document: Any, value: Any, judges: Standard) -> Iterator[SchemaViolation]:
    """The document with its columns left out, then each column without those inside it."""
    wrong = 0
    for place, part, judge in _elements(value, judges):
        try:
            if judge.compiled.is_valid(part):
                continue
        except ValueError:
            pass
        schema_violations = list(violations_in(document, part, judge.worded, place))
        yield from schema_violations
        wrong += bool(schema_violations)
        if wrong >= MOST_WRONG:
            return


Place = tuple[str | int, ...]


def _elements(value: Any, judges: Standard) -> Iterator[tuple[Place, Any, Judge]]:
    tables = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(tables, list):
        yield (), value, judges.document
        return
    bare = [
        {**table, "properties": []}
        if isinstance(table, dict) and isinstance(table.get("properties"), list)
        else table
        for table in tables
    ]
    yield (), {**value, "schema": bare}, judges.document
    for index, table in enumerate(tables):
        if isinstance(table, dict) and isinstance(table.get("properties"), list):
            for number, column in enumerate(table["properties"]):
                place = ("schema", index, "properties", number)
                yield from _column(place, column, judges.column, judges)


def _column(
    place: Place, column: Any, judge: Judge, judges: Standard
) -> Iterator[tuple[Place, Any, Judge]]:
    if not isinstance(column, dict):
        yield place, column, judge
        return
    if len(place) > 2 * DEEPEST:
        raise MbpError(
            f"{place_text(place[:4])}: columns nest deeper than {DEEPEST} levels",
            fix="flatten the column",
        )
    bare, inner = dict(column), []
    if isinstance(column.get("properties"), list):
        bare["properties"] = []
        inner = [
            ((*place, "properties", index), item, judges.column)
            for index, item in enumerate(column["properties"])
        ]
    if isinstance(column.get("items"), dict):
        bare["items"] = dict(STUB)
        inner.append(((*place, "items"), column["items"], judges.element))
    if isinstance(column.get("map"), dict):
        bare["map"] = {
            key: dict(STUB) if isinstance(item, dict) and key in ("key", "value") else item
            for key, item in column["map"].items()
        }
        inner += [
            ((*place, "map", key), item, judges.element)
            for key, item in column["map"].items()
            if isinstance(item, dict) and key in ("key", "value")
        ]
    yield place, bare, judge
    for where, item, of in inner:
        yield from _column(where, item, of, judges)
