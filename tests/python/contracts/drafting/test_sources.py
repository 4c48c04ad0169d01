"""Drafts from files: what they take over, and what each bad file is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mbp.contracts.contract_file import ContractFile, parsed
from mbp.contracts.drafting.draft import contract_text, problems
from mbp.contracts.drafting.sources import drafts_of_file
from mbp.core.errors import MbpError
from mbp.core.settings import load_settings
from mbp.runs.start_project import keyed

ORDER: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Shop orders",
    "type": "object",
    "required": ["order_id"],
    "properties": {
        "order_id": {"type": "integer", "description": "Number of the order."},
        "status": {"type": "string", "enum": ["placed", "lost"]},
        "amount": {"type": "number", "minimum": 0},
        "placed_at": {"type": "string", "format": "date-time"},
    },
}
RECORD: dict[str, Any] = {
    "type": "record",
    "name": "Payment",
    "doc": "One row per payment.",
    "fields": [
        {"name": "payment_id", "type": "long", "doc": "Number of the payment."},
        {
            "name": "amount",
            "type": [
                "null",
                {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
            ],
        },
        {"name": "paid_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "method", "type": {"type": "enum", "name": "Method", "symbols": ["card", "gift"]}},
    ],
}
PROPERTIES = """\
models:
  - name: orders
    description: One row per order.
    columns:
      - name: order_id
        data_type: bigint
        data_tests: [unique, not_null]
      - name: customer_id
        data_type: bigint
        tests:
          - relationships: {to: ref('customers'), field: customer_id}
      - name: status
        data_tests:
          - accepted_values: {arguments: {values: [placed, lost]}}
  - name: customers
    columns:
      - {name: customer_id, data_type: bigint, tests: [unique, not_null]}
"""


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_json_schema(tmp_path: Path) -> None:
    (draft,) = drafts_of_file(write(tmp_path, "order.json", ORDER))
    draft = keyed(draft, "order_id")
    columns = {column.name: column for column in draft.columns}
    assert (draft.dataset, problems(draft)) == ("shop_orders", [])
    assert columns["order_id"].key and columns["order_id"].description == "Number of the order."
    assert list(columns["status"].values) == ["placed", "lost"]
    assert dict(columns["amount"].options) == {"minimum": 0}
    assert columns["placed_at"].type == "timestamptz" and not columns["placed_at"].required


def test_an_avro_schema(tmp_path: Path) -> None:
    (draft,) = drafts_of_file(write(tmp_path, "payment.avsc", RECORD))
    types = {column.name: column.type for column in draft.columns}
    assert types == {
        "payment_id": "bigint",
        "amount": "decimal(12,2)",
        "paid_at": "timestamptz",
        "method": "string",
    }
    assert [column.name for column in draft.columns if not column.required] == ["amount"]
    assert draft.description == "One row per payment."


def test_properties_of_models_with_their_tests(tmp_path: Path) -> None:
    orders, customers = map(unnamed, drafts_of_file(write(tmp_path, "schema.yml", PROPERTIES)))
    columns = {column.name: column for column in orders.columns}
    assert [column.name for column in orders.columns if column.key] == ["order_id"]
    assert [column.name for column in customers.columns if column.key] == ["customer_id"]
    assert columns["customer_id"].reference == "customers.customer_id"
    assert list(columns["status"].values) == ["placed", "lost"]
    assert columns["status"].seen == "the file states no data_type"


def unnamed(draft: Any) -> Any:
    return keyed(draft, None)


@pytest.mark.parametrize("source", [ORDER, RECORD, PROPERTIES])
def test_a_draft_follows_the_standard(tmp_path: Path, source: Any) -> None:
    name = "schema.yml" if isinstance(source, str) else "schema.json"
    for draft in drafts_of_file(write(tmp_path, name, source)):
        named = keyed(draft, draft.columns[0].name)
        text = contract_text(named, project="shop", owner="DATA", channel="#data")
        node, faults = parsed(text, f"{named.dataset}.odcs.yaml")
        assert node is not None and not faults
        assert not ContractFile(node, house=True).root.standard_violations(house=True)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", "{", "a.json: not valid JSON"),
        ("a.json", [1], "neither a record of Avro nor an object of JSON Schema"),
        ("a.json", {"type": "object"}, "neither a record of Avro nor an object of JSON Schema"),
        ("a.yml", "version: 2\n", "no model, seed or snapshot is described"),
        ("a.yml", "a: [", "not valid YAML"),
        (
            "a.avsc",
            {"type": "record", "name": "a", "fields": [{"name": "b", "type": {"type": "array"}}]},
            "b: a contract has no column that is a array",
        ),
        (
            "a.avsc",
            {"type": "record", "name": "a", "fields": [{"name": "b", "type": ["int", "string"]}]},
            "b: a contract has no column that is a union of types",
        ),
        (
            "a.json",
            {"type": "object", "properties": {"b": {"type": "object", "properties": {}}}},
            "b: a contract has no column that is a object",
        ),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path: Path, name: str, content: Any, told: str) -> None:
    with pytest.raises(MbpError) as caught:
        drafts_of_file(write(tmp_path, name, content))
    assert told in str(caught.value) and "Fix:" in str(caught.value)


def test_a_missing_file_and_an_unknown_key(tmp_path: Path) -> None:
    with pytest.raises(MbpError, match="no such file"):
        drafts_of_file(tmp_path / "nowhere.json")
    (draft,) = drafts_of_file(write(tmp_path, "order.json", ORDER))
    with pytest.raises(MbpError, match=r"shop_orders has no column 'order'.*order_id"):
        keyed(draft, "order")
    assert problems(keyed(draft, None)) == ["no column identifies a row: unique and never empty"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title = 1", "title: expected a text"),
        ('titel = "x"', "unknown key 'titel'"),
        ('packs = ["A107"]', "unknown pack 'A107'"),
        ("title = ", "not valid TOML"),
    ],
)
def test_settings_are_read_strictly(tmp_path: Path, text: str, told: str) -> None:
    write(tmp_path, "mbp.toml", text)
    with pytest.raises(MbpError, match=told):
        load_settings(tmp_path)
