"""Faults of the rules that follow from a column's own facts: presence, key, range, wording."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from lab.simulate import schema
from lab.simulate.faults.editor import Editor
from lab.simulate.faults.fault_model import Fault, FaultRule
from lab.simulate.raw_world import Row

UNKNOWN_KEY = "mkt-unknown"
BAD_WORDING = ("not valid!", " ", "?")
MANUAL_ONLY = ("decided_by_hash", "evidence_uri")  # columns that only a manual resolution fills


def not_null(rule: FaultRule) -> Fault:
    """One row without the column."""
    table, column = schema.table_of_dataset(rule.dataset), rule.columns[0]
    new_row = table == "mbp.resolutions" and column == "market_id"

    def change(editor: Editor) -> None:
        if new_row:
            # Taken from an existing resolution, its market would be without one: another rule.
            _new_resolution(editor, market_id=None)
        else:
            editor.change(table, editor.idle_row(table), **{column: None})

    return Fault(rule.id, f"one {_thing(table)} without {column}", (table,), change)


def unique(rule: FaultRule) -> Fault:
    """The same value twice: a key only in the mart, since the newest change per key wins before."""
    table, column = schema.table_of_dataset(rule.dataset), rule.columns[0]
    if column == schema.KEYS[table]:
        mart = f"marts.{rule.dataset}"
        return Fault(
            rule.id,
            f"one {_thing(table)} twice in the mart",
            statements=(
                f"insert into {mart} select * from {mart} "
                f"where {column} = (select max({column}) from {mart})",
            ),
            rows=2,
        )

    def change(editor: Editor) -> None:
        row = editor.idle_row(table)
        editor.append(table, row, **{schema.KEYS[table]: f"{row[schema.KEYS[table]]}-again"})

    text = f"a second {_thing(table)} with the same {column}"
    return Fault(rule.id, text, (table,), change, rows=2)


def foreign_key(rule: FaultRule) -> Fault:
    """One new row whose reference leads to nothing."""
    table, column = schema.table_of_dataset(rule.dataset), rule.columns[0]

    def change(editor: Editor) -> None:
        if table == "mbp.resolutions":
            _new_resolution(editor, **{column: UNKNOWN_KEY})
            return
        row = editor.idle_row(table)
        values: Row = {schema.KEYS[table]: f"{row[schema.KEYS[table]]}-x"}
        if table == "mbp.quotes":
            values["twap_5m"] = row["price"]  # the first quote of a market is its own average
        editor.append(table, row, **{**values, column: UNKNOWN_KEY})

    text = f"one {_thing(table)} whose {column} is nowhere else"
    return Fault(rule.id, text, (table,), change)


def out_of_range(rule: FaultRule) -> Fault | None:
    """One value at or beyond a bound; None when the rule gives no bound."""
    table, column = schema.table_of_dataset(rule.dataset), rule.columns[0]
    strictly = bool(rule.arguments.get("strictly"))
    top, bottom = rule.arguments.get("max_value"), rule.arguments.get("min_value")
    if top is not None:
        value = Decimal(str(top)) + (0 if strictly else 1)
    elif bottom is not None:
        value = Decimal(str(bottom)) - (0 if strictly else 1)
    else:
        return None
    return _one_value(rule, table, column, value)


def bad_pattern(rule: FaultRule) -> Fault | None:
    """One text that the pattern refuses; None when it refuses none of the usual ones."""
    table, column = schema.table_of_dataset(rule.dataset), rule.columns[0]
    pattern = str(rule.arguments.get("regex") or rule.arguments.get("pattern") or "")
    for value in BAD_WORDING:
        if not re.search(pattern, value):
            return _one_value(rule, table, column, value)
    return None


def bad_length(rule: FaultRule) -> Fault | None:
    """One text that is too short, or too long; None when the rule gives no bound."""
    table, column = schema.table_of_dataset(rule.dataset), rule.columns[0]
    shortest, longest = rule.arguments.get("min_value"), rule.arguments.get("max_value")
    if shortest:
        return _one_value(rule, table, column, "x" * (int(shortest) - 1))
    if longest:
        return _one_value(rule, table, column, "x" * (int(longest) + 1))
    return None


def unknown_value(rule: FaultRule) -> Fault:
    """One value that is not in the list."""
    table, column = schema.table_of_dataset(rule.dataset), rule.columns[0]
    return _one_value(rule, table, column, "unheard-of")


def _one_value(rule: FaultRule, table: str, column: str, value: Any) -> Fault:
    def change(editor: Editor) -> None:
        row = editor.resolution(manual=True) if column in MANUAL_ONLY else editor.idle_row(table)
        editor.change(table, row, **{column: value})

    return Fault(rule.id, f"one {_thing(table)} with {column} = {value!s:.40}", (table,), change)


def _new_resolution(editor: Editor, **values: Any) -> None:
    row = editor.resolution(manual=False)
    editor.append(
        "mbp.resolutions", row, **{"resolution_id": f"{row['resolution_id']}-x", **values}
    )


def _thing(table: str) -> str:
    """A row of the table in words."""
    return {"mbp.abuse_events": "abuse event"}.get(table, table.removeprefix("mbp.")[:-1])


BUILDERS = {
    "not_null": not_null,
    "unique": unique,
    "relationships": foreign_key,
    "accepted_values": unknown_value,
    "expect_column_values_to_be_between": out_of_range,
    "expect_column_values_to_match_regex": bad_pattern,
    "expect_column_value_lengths_to_be_between": bad_length,
}
