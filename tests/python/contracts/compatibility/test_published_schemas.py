"""The JSON Schemas that consumers get and the verdicts on versions say the same of rows (issue: one semantics)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from jsonschema_rs import Draft202012Validator

from compatibility.test_laws import SETTINGS as LAWS
from compatibility.test_laws import pairs, rows_of
from mbp.contracts.compatibility.cells import row_schema
from mbp.contracts.compatibility.change_model import CATALOGUE, Compatibility, SchemaNode
from mbp.contracts.compatibility.diff import DIGITS, diff, verdicts
from mbp.contracts.compatibility.odcs_tables import tables
from mbp.contracts.compatibility.witness import find, shown
from mbp.contracts.registry.avro import avro_schema
from mbp.contracts.registry.json_schema import json_schema
from mbp.core.errors import MbpError

SETTINGS = settings(LAWS)
# What rows in JSON cannot show: how a value is stored, and that a reader names a column (it may be absent).
NOT_IN_JSON = {
    "physical_type_changed",
    "physical_type_narrowed",
    "physical_type_widened",
    "logical_type_changed",
    "temporal_precision_changed",
    "column_removed",
    "extra_columns_changed",
}


def sides(pair: tuple[dict[str, Any], dict[str, Any]]) -> tuple[SchemaNode, SchemaNode]:
    old, new = (tables(contract, "generated")["t"] for contract in pair)
    return old, new


def validator(table: SchemaNode) -> Draft202012Validator:
    return Draft202012Validator(json_schema(table, "urn:test"))


def as_json(value: Any) -> Any:
    """The row as a consumer gets it: a map is an object, a fraction of a second has no zeros at its end."""
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if not isinstance(value, dict):
        return shown(value)
    if "cell:entries" in value:
        return {
            str(as_json(entry["cell:key"])): as_json(entry.get("cell:value"))
            for entry in value["cell:entries"]
        }
    if not any(key.startswith("cell:") for key in value):
        return {key: as_json(item) for key, item in value.items()}
    text = shown(value)
    if isinstance(text, str) and "." in text:
        head, fraction, zone = text.split(".")[0], text.split(".")[1][:6], text.split(".")[1][6:]
        text = head + (f".{fraction.rstrip('0')}" if fraction.rstrip("0") else "") + zone
    return text


def sayable(row: Any) -> bool:
    """JSON has no word for dates before the year 1 and for a map's null key."""
    return " after 1970" not in str(row) and "'None':" not in str(row)


def rows(narrow: SchemaNode, wide: SchemaNode) -> Iterator[tuple[Any, Any]]:
    for row in rows_of(narrow, wide):
        if sayable(as_json(row)):
            yield row, as_json(row)


@given(pairs())
@SETTINGS
def test_a_schema_accepts_what_the_contract_accepts(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    with localcontext() as context:
        context.prec = DIGITS
        old, new = sides(pair)
        contract = Draft202012Validator(row_schema(old, by_name=False))
        seen = 0
        for stored, row in rows(old, new):
            seen += 1
            assert validator(old).is_valid(row) is contract.is_valid(stored), row
        assert seen or old.children


@given(pairs())
@SETTINGS
def test_where_the_verdict_is_ok_each_schema_takes_the_rows_of_the_other(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    both = verdicts(diff(*pair))
    with localcontext() as context:
        context.prec = DIGITS
        old, new = sides(pair)
        for direction, narrow, wide in (("backward", old, new), ("forward", new, old)):
            if getattr(both, direction) is Compatibility.OK:
                for _, row in rows(narrow, wide):
                    if validator(narrow).is_valid(row):
                        assert validator(wide).is_valid(row), (direction, row)


@given(pairs())
@SETTINGS
def test_a_row_that_shows_a_break_is_refused_by_the_other_schema(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    with localcontext() as context:
        context.prec = DIGITS
        old, new = sides(pair)
        for change in diff(*pair):
            node = find(old, change.path) or find(old, change.path.rpartition(".")[0])
            # JSON Schema has no bounds for dates; the form of a map's entries is not that of the witness.
            if node is not None and (node.kind.temporal or node.kind.name == "map"):
                continue
            if not CATALOGUE[change.code].row_level or change.code in NOT_IN_JSON:
                continue
            for direction, narrow, wide in (("backward", old, new), ("forward", new, old)):
                if getattr(change, direction) is not Compatibility.BREAK:
                    continue
                if direction not in change.witness:
                    continue
                row = change.witness[direction]["row"]
                if validator(narrow).is_valid(row):
                    assert not validator(wide).is_valid(row), (change.code, row)


def record(node: SchemaNode) -> dict[str, Any]:
    """A row of small values, as a program writes it."""
    day = datetime(2024, 1, 1, tzinfo=UTC)
    values = {
        "integer": 1, "decimal": Decimal(1), "float": 0.5, "string": "a", "boolean": True,
        "date": day.date(), "timestamp": day, "array": [], "map": {},
    }  # fmt: skip
    return {
        field.name: record(field) if field.kind.name == "object" else values[field.kind.name]
        for field in node.children
    }


@given(pairs())
@SETTINGS
def test_where_the_verdict_is_ok_avro_reads_the_rows_of_the_other(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    both = verdicts(diff(*pair))
    old, new = sides(pair)
    try:
        schemas = [fastavro.parse_schema(avro_schema(table, "test")) for table in (old, new)]
    except MbpError as error:
        assert "Avro has no type for" in str(error)
        return
    for direction, table, (writer, reader) in (
        ("backward", old, schemas),
        ("forward", new, schemas[::-1]),
    ):
        if getattr(both, direction) is Compatibility.OK:
            stream = io.BytesIO()
            fastavro.schemaless_writer(stream, writer, record(table))
            stream.seek(0)
            row = fastavro.schemaless_reader(stream, writer, reader)
            assert isinstance(row, dict)
            assert set(row) == {
                field.name for field in (new if direction == "backward" else old).children
            }


def quotes(*more: dict[str, Any]) -> SchemaNode:
    price = {"name": "price", "logicalType": "number", "physicalType": "decimal(18,8)"}
    key = {"name": "quote_id", "logicalType": "string", "physicalType": "text", "required": True}
    contract = {"schema": [{"name": "quotes", "properties": [key, price, *more]}]}
    return tables(contract, "quotes.odcs.yaml")["quotes"]


def test_an_optional_column_that_came_later_hurts_neither_side() -> None:
    first = quotes()
    second = quotes({"name": "venue", "logicalType": "string", "physicalType": "text"})
    assert validator(first).is_valid({"quote_id": "q1", "price": 0.5, "venue": "desk 1"})
    assert validator(second).is_valid({"quote_id": "q1", "price": 0.5})
    assert validator(second).is_valid({"quote_id": "q1", "venue": None})
    assert not validator(second).is_valid({"price": 0.5})
    assert not validator(second).is_valid({"quote_id": "q1", "venue": 1})


def test_a_contract_that_refuses_unlisted_columns_says_so_in_its_schema() -> None:
    table = {
        "name": "quotes",
        "properties": [{"name": "quote_id", "logicalType": "string"}],
        "customProperties": [{"property": "additionalProperties", "value": False}],
    }
    closed = tables({"schema": [table]}, "quotes.odcs.yaml")["quotes"]
    assert validator(closed).is_valid({"quote_id": "q1"})
    assert not validator(closed).is_valid({"quote_id": "q1", "venue": "desk 1"})


@pytest.mark.parametrize(
    ("price", "valid"), [(9999999999.5, True), (10000000000, False), (-10000000000, False)]
)
def test_the_range_of_a_decimal_ends_where_every_reader_of_json_can_say_it(
    price: float, valid: bool
) -> None:
    assert validator(quotes()).is_valid({"quote_id": "q1", "price": price}) is valid
