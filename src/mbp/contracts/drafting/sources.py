"""Drafts from files: a JSON Schema, an Avro schema, properties of dbt models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mbp.contracts.drafting.draft import Draft, DraftColumn
from mbp.contracts.drafting.manifest_facts import demanded_by, plain
from mbp.core.errors import MbpError
from mbp.core.yaml_io import loads, read
from mbp.core.yaml_io import plain as plain_yaml

Document = Mapping[str, Any]
OTHER = "name a JSON Schema, an Avro schema (.avsc) or properties of dbt models (.yml)"
# Of JSON Schema; a text with a format first.
JSON_TYPES = {"integer": "bigint", "number": "double", "string": "string", "boolean": "boolean"}
FORMATS = {"date-time": "timestamptz", "date": "date"}
# Of Avro; a logical type first.
AVRO_TYPES = {
    **{"int": "integer", "long": "bigint", "float": "double", "double": "double"},
    **{"boolean": "boolean", "string": "string", "enum": "string", "uuid": "string"},
    **{"date": "date", "timestamp-millis": "timestamptz", "timestamp-micros": "timestamptz"},
    **{"local-timestamp-millis": "timestamp", "local-timestamp-micros": "timestamp"},
}
KEPT_OPTIONS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
)


def drafts_of_file(path: Path) -> list[Draft]:
    """A draft for each dataset that the file describes.

    Raises:
        MbpError: it cannot be read, is of none of the forms, or holds what no contract can say.
    """
    name = path.name
    text = read(path, shown_as=name)
    if path.suffix in (".yml", ".yaml"):
        return _of_properties(plain_yaml(loads(text, shown_as=name)), name)
    try:
        document = json.loads(text)
    except ValueError as error:
        raise MbpError(f"not valid JSON: {error}", path=name, fix=OTHER) from error
    if isinstance(document, dict) and document.get("type") == "record":
        return [_of_avro(document, name)]
    if isinstance(document, dict) and isinstance(document.get("properties"), dict):
        return [_of_json_schema(path, document)]
    raise MbpError("neither a record of Avro nor an object of JSON Schema", path=name, fix=OTHER)


def _of_json_schema(path: Path, document: Document) -> Draft:
    """By the importer of datacontract-cli, which resolves references and combined schemas."""
    name = path.name
    try:
        from datacontract.data_contract import DataContract
    except ImportError as error:
        fix = "install the extra `enforcers`: it holds datacontract-cli"
        raise MbpError("datacontract-cli is not installed", path=name, fix=fix) from error
    try:
        imported = DataContract.import_from_source("jsonschema", str(path))
        table = json.loads(imported.model_dump_json(by_alias=True, exclude_none=True))["schema"][0]
    except Exception as error:  # by itself and of the libraries below it
        reason = " ".join(str(error).split())[:200]
        raise MbpError(f"datacontract-cli refuses it: {reason}", path=name, fix=OTHER) from error
    columns = []
    for entry in table.get("properties") or ():
        options = entry.get("logicalTypeOptions") or {}
        logical = str(entry.get("logicalType"))
        if logical not in JSON_TYPES and logical not in ("date", "timestamp"):
            raise _not_flat(name, entry["name"], logical)
        type_name = {"date": "date", "timestamp": "timestamptz"}.get(logical) or JSON_TYPES[logical]
        columns.append(
            DraftColumn(
                str(entry["name"]),
                FORMATS.get(str(options.get("format")), type_name),
                plain(str(entry.get("description") or "")),
                required=entry.get("required") is True,
                values=[symbol["value"] for symbol in entry.get("enum") or ()],
                options={key: options[key] for key in KEPT_OPTIONS if key in options},
            )
        )
    title = str(document.get("title") or path.name.split(".")[0])
    return Draft(_dataset(title), columns, name, plain(str(document.get("description") or "")))


def _of_avro(document: Document, name: str) -> Draft:
    columns = []
    for field in document.get("fields") or ():
        kind = field.get("type")
        optional = isinstance(kind, list) and "null" in kind
        kinds = [name for name in kind if name != "null"] if isinstance(kind, list) else [kind]
        if len(kinds) != 1:
            raise _not_flat(name, field.get("name"), "union of types")
        type_, values = _avro_type(name, str(field.get("name")), kinds[0])
        text = plain(str(field.get("doc") or ""))
        columns.append(
            DraftColumn(str(field.get("name")), type_, text, required=not optional, values=values)
        )
    dataset = _dataset(str(document.get("name") or ""))
    return Draft(dataset, columns, name, plain(str(document.get("doc") or "")))


def _avro_type(name: str, column: str, kind: Any) -> tuple[str, Sequence[str]]:
    if not isinstance(kind, dict):
        kind = {"type": kind}
    logical = kind.get("logicalType")
    if logical == "decimal":
        return f"decimal({kind.get('precision')},{kind.get('scale', 0)})", ()
    known = AVRO_TYPES.get(str(logical)) or AVRO_TYPES.get(str(kind.get("type")))
    if known is None:
        raise _not_flat(name, column, str(kind.get("type")))
    return known, list(kind.get("symbols") or ())


def _of_properties(document: Any, name: str) -> list[Draft]:
    entries = [
        entry
        for group in ("models", "seeds", "snapshots")
        for entry in (document.get(group) if isinstance(document, dict) else None) or ()
        if isinstance(entry, dict) and entry.get("name")
    ]
    if not entries:
        raise MbpError("no model, seed or snapshot is described", path=name, fix=OTHER)
    known = {str(entry["name"]) for entry in entries}
    return [
        Draft(
            str(entry["name"]),
            list(_described(entry, known)),
            name,
            plain(str(entry.get("description") or "")),
        )
        for entry in entries
    ]


def _described(entry: Document, known: set[str]) -> Iterator[DraftColumn]:
    for column in entry.get("columns") or ():
        tests = [
            demanded_by(*_test(test))
            for test in column.get("data_tests") or column.get("tests") or ()
        ]
        kinds = {test["kind"] for test in tests}
        target = next((test["to"] for test in tests if test.get("to")), ("", ""))
        stated = column.get("data_type")
        yield DraftColumn(
            str(column.get("name")),
            str(stated or "string"),
            plain(str(column.get("description") or "")),
            required="not_null" in kinds,
            unique="unique" in kinds,
            values=next((test["values"] for test in tests if test.get("values")), ()),
            reference=f"{target[0]}.{target[1]}" if target[0] in known else None,
            seen="" if stated else "the file states no data_type",
        )


def _test(test: Any) -> tuple[str, Document]:
    """Name and arguments of a test as properties write it."""
    if not isinstance(test, dict):
        return str(test), {}
    name, body = next(iter(test.items()))
    body = body if isinstance(body, dict) else {}
    return str(name), {**body, **(body.get("arguments") or {})}


def _dataset(title: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in title).split()
    return "_".join(words).lower()


def _not_flat(name: str, column: Any, kind: str) -> MbpError:
    return MbpError(
        f"{column}: a contract has no column that is a {kind}",
        path=name,
        fix="describe the table that is made of it, with flat columns",
    )
