"""The mapping file: which values of an outside source become which column of ours.

A column of ours comes from columns of theirs (`columns`), is the same for every row (`constants`), or is a fact the
source does not have: said under `absent`, with a default that keeps the types valid, or by leaving the column out.
Every rule that reads such a fact is "not measurable on this source". `when_null` fills single gaps and is reported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from mbp.contracts import Column, Contract
from mbp.contracts.raw_columns import logged
from mbp.core.schema_check import check, did_you_mean, wrong_at
from mbp.core.yaml_io import line_of, load

LEFT_OUT = "the mapping leaves it out"


@cache
def _schema() -> dict[str, Any]:
    text = Path(__file__).with_name("mapping.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@dataclass(frozen=True)
class MappedValue:
    """How the value of one column of ours is made from columns of theirs.

    Attributes:
        columns: theirs; the first that is not null counts, or with `joiner` all of them make one text.
        values: theirs -> ours; another value stays.
        scale, offset: ours = theirs * scale + offset.
        one_minus: ours = 1 - theirs, after scale and offset.
        absolute: a sale counts as a trade: the sign goes first.
        by_sign: of a number below zero, and above it.
        epoch: the unit of an instant that is a number since 1970: seconds, milliseconds or microseconds.
        format: of an instant that is text, as `strptime` has it.
    """

    columns: tuple[str, ...]
    joiner: str | None = None
    values: Map[str, str | None] | None = None
    scale: Decimal | None = None
    offset: Decimal | None = None
    one_minus: bool = False
    absolute: bool = False
    by_sign: tuple[str, str] | None = None
    epoch: str | None = None
    format: str | None = None


@dataclass(frozen=True)
class Gap:
    """What fills single gaps of one column of ours.

    Attributes:
        column: of theirs, that has the value; without one all get `value`.
        where: column of theirs -> values; gaps in other rows stay.
    """

    value: Any
    column: str | None
    where: Map[str, Sequence[Any]]


@dataclass(frozen=True)
class TableMapping:
    """How one raw table is filled.

    Attributes:
        table: raw table without its schema, e.g. quotes.
        files: names or patterns of files in the folder; none for the one file that the command names.
        reading: how the files are read, see `READING`.
        values: ours -> how it is made.
        constants: ours -> the value of every row.
        absent: ours -> (their column or None, default value, reason).
        when_null: ours -> how a gap is filled.
        changed_at: our column that says when the row last changed, the commit time of its change.
        corrections: a row that changed earlier than the newest one that is known corrects it.
        ambiguous_times: what a local time that a clock shows twice, or never, means: reject, earlier or later.
        max_rejects: rows that may be rejected before the rule of rejects fails.
        lines: our column -> line in the mapping file.
    """

    table: str
    dataset: str
    files: tuple[str, ...]
    reading: Map[str, Any]
    values: Map[str, MappedValue]
    constants: Map[str, Any]
    absent: Map[str, tuple[str | None, Any, str]]
    when_null: Map[str, Gap]
    changed_at: str
    corrections: bool
    ambiguous_times: str
    max_rejects: int
    line: int | None
    lines: Map[str, int | None]


@dataclass(frozen=True)
class Mapping:
    """One source.

    Attributes:
        absent_datasets: public datasets the source does not have -> reason.
        not_measurable: rule id -> (its dataset, reason), for rules whose reason is not an absent column.
    """

    path: str
    source: str
    time_zone: str
    tables: tuple[TableMapping, ...]
    absent_datasets: Map[str, str]
    not_measurable: Map[str, tuple[str, str]]


def load_mapping(path: Path, contracts: Sequence[Contract]) -> Mapping:
    """Reads a mapping.

    Raises:
        MbpError: it is not of the known form, or names a table, column or rule that is not there.
    """
    shown = str(path)
    document = load(path)
    value = check(document, _schema(), shown)
    by_table = {log.table: contract for contract, log in logged(contracts)}
    for group in ("tables", "absent_tables"):
        for table in value.get(group, {}):
            if table not in by_table:
                what, fix = f"{group}: no raw table {table!r}", did_you_mean(table, by_table)
                raise wrong_at(document[group], table, shown, what, fix)
    known_rules = {rule.id: rule.dataset for contract in contracts for rule in contract.rules}
    not_measurable = {}
    loaded = {by_table[table].dataset for table in value["tables"]}
    for position, entry in enumerate(value.get("not_measurable", [])):
        for rule in entry["rules"]:
            what, fix = "", did_you_mean(rule, known_rules)
            if rule not in known_rules:
                what = f"no rule {rule!r}"
            elif known_rules[rule] not in loaded:
                what = f"{rule} is a rule of {known_rules[rule]}, which this mapping does not load"
                fix = "say it in the mapping that does; rules of an absent table need no line"
            if what:
                node = document["not_measurable"]
                raise wrong_at(node, position, shown, f"not_measurable: {what}", fix)
            not_measurable[rule] = (known_rules[rule], entry["reason"])
    return Mapping(
        path=shown,
        source=value["source"],
        time_zone=value["time_zone"],
        tables=tuple(
            _table(name, entry, document["tables"], by_table[name], shown)
            for name, entry in value["tables"].items()
        ),
        absent_datasets={
            by_table[name].dataset: reason
            for name, reason in value.get("absent_tables", {}).items()
        },
        not_measurable=not_measurable,
    )


def _table(name: str, entry: Any, tables: Any, contract: Contract, shown: str) -> TableMapping:
    node = tables[name]
    parts = {part: entry.get(part, {}) for part in ("columns", "constants", "absent")}
    known = [column.name for column in contract.logged_columns]
    lines: dict[str, int | None] = {}
    for part, given in {**parts, "when_null": entry.get("when_null", {})}.items():
        for column in given:
            if column not in known:
                what, fix = f"{name} has no column {column!r}", did_you_mean(column, known)
                raise wrong_at(node[part], column, shown, what, fix)
            if part != "when_null" and column in lines:
                what = f"{name}.{column} is given twice"
                raise wrong_at(node[part], column, shown, what, "keep one of them")
            lines.setdefault(column, line_of(node[part], column))
    for column in entry.get("drop_null", []):
        if column not in known:
            what, fix = f"{name} has no column {column!r}", did_you_mean(column, known)
            raise wrong_at(node, "drop_null", shown, what, fix)
    changed_at = entry["changed_at"]
    by_name = {column.name: column for column in contract.logged_columns}
    for needed in (contract.key.name, changed_at):
        if needed not in parts["columns"] and (needed not in lines or needed == contract.key.name):
            what = f"{name}.{needed} is not mapped"
            fix = "give it under columns: every row needs its own"
            if needed not in known:
                what, fix = (
                    f"changed_at: {name} has no column {needed!r}",
                    did_you_mean(needed, known),
                )
            at = (node, "changed_at") if needed == changed_at else (tables, name)
            raise wrong_at(*at, shown, what, fix)
    absent = {
        column: (stand_in.get("column"), stand_in.get("value"), stand_in["reason"])
        for column, stand_in in parts["absent"].items()
    }
    for column in known:
        if column not in lines:
            absent[column] = _left_out(by_name[column], parts["columns"].get(changed_at))
    files = entry.get("file", [])
    return TableMapping(
        table=name,
        dataset=contract.dataset,
        files=(files,) if isinstance(files, str) else tuple(files),
        reading={key: entry[key] for key in READING if key in entry},
        values={column: _value(given) for column, given in parts["columns"].items()},
        constants=parts["constants"],
        absent=absent,
        when_null={
            column: Gap(gap.get("value"), gap.get("column"), gap.get("where", {}))
            for column, gap in entry.get("when_null", {}).items()
        },
        changed_at=changed_at,
        corrections=entry.get("corrections", False),
        ambiguous_times=entry.get("ambiguous_times", "reject"),
        max_rejects=entry.get("max_rejects", 0),
        line=line_of(tables, name),
        lines=lines,
    )


READING = (
    "delimiter",
    "quote",
    "encoding",
    "decimal",
    "thousands",
    "null_tokens",
    "rows",
    "sql",
    "keep",
    "drop_null",
)


def _value(given: Any) -> MappedValue:
    if isinstance(given, str):
        return MappedValue((given,))
    columns = given.get("column", given.get("first_of", given.get("join")))
    return MappedValue(
        columns=(columns,) if isinstance(columns, str) else tuple(columns),
        joiner=given.get("joiner", "-") if "join" in given else None,
        values=given.get("values"),
        scale=_decimal(given.get("scale")),
        offset=_decimal(given.get("offset")),
        one_minus=given.get("one_minus", False),
        absolute=given.get("absolute", False),
        by_sign=(given["by_sign"]["negative"], given["by_sign"]["positive"])
        if "by_sign" in given
        else None,
        epoch=given.get("epoch"),
        format=given.get("format"),
    )


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _left_out(column: Column, changed_at: Any) -> tuple[str | None, Any, str]:
    """What keeps the type of a column valid that nothing is said about."""
    if column.required and column.logical_type == "timestamp" and isinstance(changed_at, str):
        return changed_at, None, LEFT_OUT
    return None, placeholder_of(column), LEFT_OUT


def placeholder_of(column: Column) -> str | int | None:
    """A value that keeps the type of a column valid: null where it may be."""
    if not column.required:
        return None
    if column.logical_type in ("number", "integer"):
        return 0
    return EPOCH if column.logical_type == "timestamp" else ""


EPOCH = "1970-01-01 00:00:00+00"
