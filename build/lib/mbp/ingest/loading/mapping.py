"""The mapping file: which column of an outside source becomes which column of ours.

A column of ours comes from a column of theirs (`columns`), is the same for every row (`constants`), or is
a fact the source does not have (`absent`): then a default keeps the types valid and every rule that
reads the column is "not measurable on this source". `when_null` fills single gaps and is reported.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft201909Validator

from mbp.contracts import Contract
from mbp.contracts.raw_columns import logged
from mbp.core.errors import MbpError
from mbp.core.schema_check import check, did_you_mean
from mbp.core.yaml_io import line_of, load

TEXT = {"type": "string", "minLength": 1}
SCALAR = {"type": ["string", "number", "boolean", "null"]}
ABSENT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["reason"],
    "properties": {"value": SCALAR, "column": TEXT, "reason": TEXT},
    "oneOf": [{"required": ["value"]}, {"required": ["column"]}],
}
TABLE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["file", "columns", "changed_at"],
    "properties": {
        "file": TEXT,
        "delimiter": {"type": "string", "maxLength": 1, "pattern": r'^[^"\r\n]$'},
        "changed_at": TEXT,
        "columns": {"type": "object", "minProperties": 1, "additionalProperties": TEXT},
        "constants": {"type": "object", "additionalProperties": SCALAR},
        "absent": {"type": "object", "additionalProperties": ABSENT},
        "when_null": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["value", "reason"],
                "properties": {"value": SCALAR, "reason": TEXT},
            },
        },
    },
}
SCHEMA = Draft201909Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["version", "source", "time_zone", "tables"],
        "properties": {
            "version": {"const": 1},
            "source": TEXT,
            "description": TEXT,
            "time_zone": TEXT,
            "tables": {"type": "object", "minProperties": 1, "additionalProperties": TABLE},
            "absent_tables": {"type": "object", "additionalProperties": TEXT},
            "not_measurable": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["rules", "reason"],
                    "properties": {
                        "rules": {"type": "array", "minItems": 1, "items": TEXT},
                        "reason": TEXT,
                    },
                },
            },
        },
    }
)


@dataclass(frozen=True)
class TableMapping:
    """How one raw table is filled.

    Attributes:
        table: raw table without its schema, e.g. quotes.
        delimiter: what separates the fields of a CSV file.
        columns: ours -> theirs.
        constants: ours -> the value of every row.
        absent: ours -> (their column or None, default value, reason).
        when_null: ours -> (value, reason).
        changed_at: our column that says when the row last changed, the commit time of its change.
        lines: our column -> line in the mapping file.
    """

    table: str
    dataset: str
    file: str
    delimiter: str
    columns: Map[str, str]
    constants: Map[str, Any]
    absent: Map[str, tuple[str | None, Any, str]]
    when_null: Map[str, tuple[Any, str]]
    changed_at: str
    line: int | None
    lines: Map[str, int | None]


@dataclass(frozen=True)
class Mapping:
    """A whole mapping file; `not_measurable` is rule id -> (the rule's dataset, reason)."""

    path: str
    source: str
    time_zone: str
    tables: tuple[TableMapping, ...]
    absent_datasets: Map[str, str]
    not_measurable: Map[str, tuple[str, str]]


def load_mapping(path: Path, contracts: list[Contract]) -> Mapping:
    """Reads and checks a mapping file.

    Args:
        contracts: say which columns our tables have and which are required.

    Raises:
        MbpError: with the line of what is wrong.
    """
    shown = path.name
    document = load(path, shown_as=shown)
    value = check(document, SCHEMA, shown)
    by_table = {log.table: contract for contract, log in logged(contracts)}
    for group in ("tables", "absent_tables"):
        for table in value.get(group, {}):
            if table not in by_table:
                raise MbpError(
                    f"{group}: no raw table {table!r}",
                    path=shown,
                    line=line_of(document[group], table),
                    fix=did_you_mean(table, by_table),
                )
    missing = by_table.keys() - value["tables"].keys() - value.get("absent_tables", {}).keys()
    if missing:
        raise MbpError(
            f"nothing is said about {', '.join(sorted(missing))}",
            path=shown,
            fix="map the table, or give the reason under absent_tables",
        )
    tables = tuple(
        _table(name, entry, document["tables"][name], by_table[name], shown, document["tables"])
        for name, entry in value["tables"].items()
    )
    known_rules = {rule.id: rule.dataset for contract in contracts for rule in contract.rules}
    not_measurable = {}
    for position, entry in enumerate(value.get("not_measurable", [])):
        for rule in entry["rules"]:
            if rule not in known_rules:
                raise MbpError(
                    f"not_measurable: no rule {rule!r}",
                    path=shown,
                    line=line_of(document["not_measurable"], position),
                    fix=did_you_mean(rule, known_rules),
                )
            not_measurable[rule] = (known_rules[rule], entry["reason"])
    return Mapping(
        path=shown,
        source=value["source"],
        time_zone=value["time_zone"],
        tables=tables,
        absent_datasets={
            by_table[name].dataset: reason
            for name, reason in value.get("absent_tables", {}).items()
        },
        not_measurable=not_measurable,
    )


def _table(
    name: str, entry: Any, node: Any, contract: Contract, shown: str, tables: Any
) -> TableMapping:
    parts = {part: entry.get(part, {}) for part in ("columns", "constants", "absent")}
    known = [column.name for column in contract.logged_columns]
    lines: dict[str, int | None] = {}
    for part, given in {**parts, "when_null": entry.get("when_null", {})}.items():
        for column in given:
            line = line_of(node[part], column)
            if column not in known:
                fix = did_you_mean(column, known)
                raise MbpError(f"{name} has no column {column!r}", path=shown, line=line, fix=fix)
            if part != "when_null" and column in lines:
                raise MbpError(
                    f"{name}.{column} is given twice",
                    path=shown,
                    line=line,
                    fix="keep one of them",
                )
            lines.setdefault(column, line)
    for column in contract.logged_columns:
        if not any(column.name in given for given in parts.values()):
            raise MbpError(
                f"{name}.{column.name} is not mapped",
                path=shown,
                line=line_of(tables, name),
                fix="give it under columns, constants or absent",
            )
    if entry["changed_at"] not in known:
        raise MbpError(
            f"changed_at: {name} has no column {entry['changed_at']!r}",
            path=shown,
            line=line_of(node, "changed_at"),
            fix=did_you_mean(entry["changed_at"], known),
        )
    return TableMapping(
        table=name,
        dataset=contract.dataset,
        file=entry["file"],
        delimiter=entry.get("delimiter", ","),
        columns=parts["columns"],
        constants=parts["constants"],
        absent={
            column: (stand_in.get("column"), stand_in.get("value"), stand_in["reason"])
            for column, stand_in in parts["absent"].items()
        },
        when_null={
            column: (gap["value"], gap["reason"])
            for column, gap in entry.get("when_null", {}).items()
        },
        changed_at=entry["changed_at"],
        line=line_of(tables, name),
        lines=lines,
    )
