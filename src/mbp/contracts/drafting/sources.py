"""Drafts from files (JSON Schema, Avro, properties of dbt models), from a dbt manifest, and from a live table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mbp.contracts.drafting.draft import Draft, DraftColumn
from mbp.core.errors import MbpError
from mbp.core.schema_check import did_you_mean
from mbp.core.wording import many
from mbp.core.yaml_io import loads, read
from mbp.core.yaml_io import plain as plain_yaml
from mbp.warehouse import Warehouse, quote_identifier
from mbp.warehouse.relations import place, query

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
Node = Mapping[str, Any]
KINDS = ("model", "seed", "snapshot")
INNER = ("stg_", "base_", "int_", "tmp_")
INNER_FOLDERS = {"staging", "intermediate", "base"}
# Types whose smallest and largest value say something.
RANGED = ("int", "decimal", "numeric", "double", "float", "real", "date", "time")


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


def chosen_nodes(manifest: Mapping[str, Any], names: Sequence[str]) -> list[Node]:
    """The nodes of that name; without names the models for readers: neither ephemeral nor staging.

    Raises:
        MbpError: no such node, or no model at all.
    """
    project = manifest["metadata"]["project_name"]
    nodes = {
        str(node["name"]): node
        for node in manifest["nodes"].values()
        if node["resource_type"] in KINDS
        and node["package_name"] == project
        and (node.get("config") or {}).get("materialized") != "ephemeral"
    }
    for name in names:
        if name not in nodes:
            fix = did_you_mean(name, nodes)
            raise MbpError(f"the project builds no model, seed or snapshot {name!r}", fix=fix)
    models = [node for node in nodes.values() if node["resource_type"] == "model"]
    public = [node for node in models if not _inner(node)]
    chosen = [nodes[name] for name in names] or public or models
    if not chosen:
        raise MbpError("the project has no model: nothing to draft", fix="write a model first")
    return sorted(chosen, key=lambda node: str(node["name"]))


def _inner(node: Node) -> bool:
    folders = set(node.get("fqn") or ()) & INNER_FOLDERS
    return str(node["name"]).startswith(INNER) or bool(folders)


def with_facts(
    columns: Sequence[DraftColumn], node: Node, manifest: Mapping[str, Any], datasets: Iterable[str]
) -> list[DraftColumn]:
    """The columns with descriptions, keys and lists of the manifest, where it has them.

    Args:
        datasets: those that have a contract; a reference to another one cannot be held.
    """
    documented = {
        str(name).lower(): plain(str(column.get("description") or ""))
        for name, column in (node.get("columns") or {}).items()
    }
    known = set(datasets)
    results = []
    for column in columns:
        tests = _tested(column.name, node, manifest)
        values = next((test["values"] for test in tests if test.get("values")), ())
        target = next((test["to"] for test in tests if test.get("to")), ("", ""))
        kinds = {test["kind"] for test in tests}
        results.append(
            replace(
                column,
                description=documented.get(column.name.lower(), ""),
                required=column.required or "not_null" in kinds,
                values=values,
                reference=f"{target[0]}.{target[1]}" if target[0] in known else None,
                unique="unique" in kinds,
            )
        )
    return with_key(results, columns, str(node["name"]))


def with_key(
    results: list[DraftColumn], live: Sequence[DraftColumn], name: str
) -> list[DraftColumn]:
    """One column as the key: one that tests hold unique, else one that is so now and is named like a key."""
    tested = [column.name for column in results if column.unique and column.required]
    singular = name.removesuffix("s")
    likely = [f"{singular}_id", f"{name}_id", "id", f"{name}_key", f"{singular}_key"]
    now = [column.name for column in live if column.unique and column.required]
    named = [column for column in likely if column in now]
    named += [column for column in now if column.endswith(("_id", "_key", "_sk", "_pk", "id"))]
    key = next(iter([*(column for column in likely if column in tested), *tested, *named]), None)
    return [
        replace(column, key=True, unique=True, required=True) if column.name == key else column
        for column in results
    ]


def plain(text: str) -> str:
    """A description as a contract may hold it: without templates and markup."""
    return " ".join(re.sub(r"\{[{%#].*?[}%#]\}|<[^<>]*>|[{}]{2}", " ", text, flags=re.S).split())


def _tested(column: str, node: Node, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the generic tests of the column demand."""
    tests: list[dict[str, Any]] = []
    for test in manifest["nodes"].values():
        metadata = test.get("test_metadata") or {}
        if test.get("attached_node") != node["unique_id"]:
            continue
        arguments = metadata.get("kwargs") or {}
        named = str(test.get("column_name") or arguments.get("column_name") or "")
        if named.lower() != column.lower() or (test.get("config") or {}).get("where"):
            continue
        tests.append(demanded_by(str(metadata.get("name")), arguments))
    return tests


def demanded_by(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a generic test of dbt demands of its column: its kind, a closed list, or where a value must be found."""
    entry: dict[str, Any] = {"kind": name}
    if name == "accepted_values":
        entry["values"] = arguments.get("values") or ()
    elif name == "relationships":
        to = re.search(r"ref\(\s*['\"](\w+)['\"]\s*\)", str(arguments.get("to")))
        entry["to"] = (to[1] if to else "", str(arguments.get("field")))
    return entry


def live_columns(warehouse: Warehouse, schema: str, name: str) -> tuple[list[DraftColumn], int]:
    """The columns of a relation, and how many rows it has.

    Raises:
        MbpError: it is not in the warehouse, or cannot be read.
    """
    types = _types(warehouse, schema, name)
    if not types:
        raise MbpError(f"{schema}.{name} is not in the warehouse", fix="run `dbt build` first")
    parts = ["count(*)"]
    for column, type_ in types:
        quoted = quote_identifier(column)
        low = high = "null"
        compared = f"cast({quoted} as varchar)"  # json and the like cannot be compared themselves
        if type_.lower().startswith(RANGED) and "[" not in type_:
            compared = quoted
            low, high = f"cast(min({quoted}) as varchar)", f"cast(max({quoted}) as varchar)"
        parts += [f"count({quoted})", f"count(distinct {compared})", low, high]
    _, rows = query(warehouse, f"select {', '.join(parts)} from {place(schema, name)}", name)
    total, *values = rows[0]
    columns = []
    for index, (column, type_) in enumerate(types):
        filled, distinct, low, high = values[index * 4 : index * 4 + 4]
        span = f"{low} to {high}, " if low is not None else ""
        nulls = f"{total - filled} empty" if filled < total else "none empty"
        columns.append(
            DraftColumn(
                column,
                type_,
                required=bool(total) and filled == total,
                unique=bool(total) and distinct == total,
                seen=f"{span}{many(distinct, 'value')}, {nulls} in {many(total, 'row')}"
                if total
                else "no rows yet",
            )
        )
    return columns, int(total)


def _types(warehouse: Warehouse, schema: str, name: str) -> list[tuple[str, str]]:
    if warehouse.engine == "duckdb":
        sql = (
            "select column_name, data_type from duckdb_columns() where schema_name = ?"
            " and table_name = ? and database_name = current_database() order by column_index"
        )
        _, rows = warehouse.query(sql, [schema, name])
    else:
        _, rows = warehouse.query(
            "select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute as a"
            " where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped"
            " order by a.attnum",
            [place(schema, name)],
        )
    return [(str(column), str(type_)) for column, type_ in rows]
