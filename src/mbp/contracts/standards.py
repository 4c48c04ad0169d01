"""The official ODCS schemas: each document must follow the one of its `apiVersion`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from importlib import resources
from typing import Any

from jsonschema_rs import Draft201909Validator

from mbp.core.errors import MbpError
from mbp.core.schema_check import SchemaViolation, line_at, place_text, violations
from mbp.core.yaml_io import plain

# Series of the standard -> the schema that all of its versions are valid against.
SCHEMAS = {"3.0": "3.0.2", "3.1": "3.1.0", "3.2": "3.2.0"}
NEWEST = "3.2"
OLD = re.compile(r"v?[12]\.\d+\.\d+")
VERSION = re.compile(r"v?(\d+\.\d+)\.\d+")


@cache
def schema_of(series: str) -> dict[str, Any]:
    """The official schema of a series like '3.1'."""
    source = resources.files("mbp.contracts") / "odcs" / f"{SCHEMAS[series]}.json"
    results: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return results


@cache
def standard(series: str, *, house: bool) -> tuple[dict[str, Any], Draft201909Validator]:
    """The schema of a series, and its compiled validator.

    Args:
        house: also refuse keys that the standard leaves open and nothing reads.
    """
    schema = deepcopy(schema_of(series))
    if house:
        # The one object that the standard leaves open: a mistyped `purpose` would be lost in silence.
        schema["properties"]["description"]["additionalProperties"] = False
    return schema, Draft201909Validator(schema)


def check_odcs(document: Any, path: str, *, house: bool = False) -> Any:
    """`document` as ordinary dicts and lists when it is valid ODCS of its version.

    Raises:
        MbpError: the first violation by kind and line.
    """
    value = plain(document)
    schema_violations = odcs_violations(document, value, house=house)
    for first in schema_violations:
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
    return violations(document, *standard(_series(value), house=house))


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
    inner: Any
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for key, item in inner:
        if isinstance(item, dict | list | float):
            yield from _endless(item, (*place, key))
