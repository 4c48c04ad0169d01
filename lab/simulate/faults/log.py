"""Faults of the change log as a whole: too old, too late, too few, lost or out of order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from lab.simulate import schema
from lab.simulate.faults.editor import LOG_COLUMNS, Editor, milliseconds
from lab.simulate.faults.fault_model import Fault, FaultRule
from lab.simulate.raw_world import Row

SLACK = timedelta(minutes=1)
LATE_BY = timedelta(minutes=30)
LAST_DAY = timedelta(hours=24)


def stale(rule: FaultRule, max_ages: Mapping[str, float]) -> Fault:
    """Nothing new arrives in one log while the others go on.

    Args:
        max_ages: seconds allowed per dataset: what else would become stale goes on, with an update
            that changes nothing.
    """
    table = schema.table_of_dataset(rule.dataset)
    allowed = {
        schema.table_of_dataset(dataset): timedelta(seconds=seconds)
        for dataset, seconds in max_ages.items()
    }
    others = sorted(name for name in allowed if name != table)

    def change(editor: Editor) -> None:
        newest = {name: max(row["_loaded_at"] for row in editor.rows(name)) for name in allowed}
        now = newest[table] + allowed[table] + SLACK
        ages = {name: now - newest[name] for name in others}
        overdue = [name for name in others if ages[name] > allowed[name]]
        # Some table must show that time has passed.
        for name in overdue or [min(others, key=lambda other: ages[other])]:
            editor.append(
                name,
                editor.idle_row(name),
                operation="u",
                __source_ts_ms=milliseconds(now) - 2_000,
                _loaded_at=now,
            )

    text = f"no news of {rule.dataset} for more than {allowed[table]}"
    return Fault(rule.id, text, tuple(others), change)


def late(rule: FaultRule) -> Fault:
    """As few changes as needed arrive half an hour late: the 95th percentile breaks the service level."""
    table = schema.table_of_dataset(rule.dataset)

    def change(editor: Editor) -> None:
        streamed = [row for row in editor.edit(table) if row["__op"] != "r"]
        newest = max(row["_loaded_at"] for row in streamed)
        recent = [row for row in streamed if row["_loaded_at"] >= newest - LAST_DAY]
        changes = {(row[schema.KEYS[table]], row["__source_lsn"]) for row in recent}
        # The percentile is interpolated between ranks: so many lie above the last whole one.
        needed = int(0.05 * (len(changes) - 1)) + 1
        limit = editor.end_of_data() - 2 * LATE_BY
        delayed = [
            (row[schema.KEYS[table]], row["__source_lsn"])
            for row in sorted(recent, key=lambda row: row["__source_lsn"])
            if row["_loaded_at"] < limit
        ]
        chosen = set(list(dict.fromkeys(delayed))[-needed:])
        for row in streamed:
            if (row[schema.KEYS[table]], row["__source_lsn"]) in chosen:
                row["_loaded_at"] += LATE_BY

    return Fault(rule.id, f"one change in twenty arrives {LATE_BY} late", (table,), change)


def too_few(rule: FaultRule) -> Fault | None:
    """Deletes at the source leave fewer rows than the rule wants; None without a lower bound."""
    smallest = rule.arguments.get("min_value")
    if not smallest:
        return None
    table, keep = schema.table_of_dataset(rule.dataset), int(smallest) - 1

    def change(editor: Editor) -> None:
        rows = _longest_kept_first(editor, table)
        gone = rows[keep:]
        _delete(editor, table, gone)
        keys = {row[schema.KEYS[table]] for row in gone}
        for child in _children(table):
            columns = [name for name, to in schema.REFERENCES[child].items() if to == table]
            orphans = [
                row
                for row in editor.in_force(child)
                if any(row[column] in keys for column in columns)
            ]
            _delete(editor, child, orphans)
        if table == "mbp.resolutions":
            _reopen_question(editor, {row["market_id"] for row in gone})

    also = ("mbp.markets",) if table == "mbp.resolutions" else _children(table)
    return Fault(rule.id, f"all but {keep} rows are deleted at the source", (table, *also), change)


def _children(table: str) -> tuple[str, ...]:
    """Tables whose rows refer to those of a table."""
    return tuple(name for name, columns in schema.REFERENCES.items() if table in columns.values())


def _longest_kept_first(editor: Editor, table: str) -> list[Row]:
    """Rows in the order in which they may stay: averages need all quotes before them; markets with
    most children first, so that little goes with the others."""
    rows = editor.in_force(table)
    if table == "mbp.quotes":
        return sorted(rows, key=lambda row: (row["market_id"], row["quoted_at"]))
    if table == "mbp.markets":
        weight: dict[str, int] = {}
        for child in _children(table):
            worth = 1 if child == "mbp.quotes" else 10_000
            for row in editor.in_force(child):
                weight[row["market_id"]] = weight.get(row["market_id"], 0) + worth
        return sorted(rows, key=lambda row: (-weight.get(row["market_id"], 0), row["market_id"]))
    return rows


def _delete(editor: Editor, table: str, rows: Sequence[Row]) -> None:
    """Deletes rows, one after the other, at the end of the log."""
    if not rows:
        return
    first = editor.append(table, rows[0], operation="d")
    log = {name: first[name] for name in LOG_COLUMNS}
    for number, row in enumerate(rows[1:], start=1):
        editor.edit(table).append({**row, **log, "__source_lsn": first["__source_lsn"] + number})


def _reopen_question(editor: Editor, markets: set[str]) -> None:
    """Markets whose resolution was deleted are closed, not resolved."""
    for row in editor.in_force("mbp.markets"):
        if row["market_id"] in markets:
            editor.append("mbp.markets", row, operation="u", status="closed")


def lost(rule: FaultRule) -> Fault:
    """One row is in the log and not in the mart."""
    table = schema.table_of_dataset(rule.dataset)
    mart, key = f"marts.{rule.dataset}", schema.KEYS[table]
    # Of the markets the one that opens last: nothing refers to it yet.
    by = "opened_at" if table == "mbp.markets" else key
    return Fault(
        rule.id,
        "one row is missing in the mart",
        statements=(f"delete from {mart} where {by} = (select max({by}) from {mart})",),
    )


def contradiction(rule: FaultRule) -> Fault:
    """The same position and key once more, with another content."""
    table = schema.table_of_dataset(rule.dataset)
    alter: dict[str, Callable[[Row], dict[str, Any]]] = {
        "mbp.markets": lambda row: {"name": f"{row['name']} (edited)"},
        "mbp.quotes": lambda row: {"depth_2pct": row["depth_2pct"] + 1},
        "mbp.resolutions": lambda row: {"source_ref": f"{row['source_ref']}-2"},
        "mbp.abuse_events": lambda row: {"details": f"{row['details']} (edited)"},
    }

    def change(editor: Editor) -> None:
        row = editor.idle_row(table)
        later = row["_loaded_at"] + timedelta(seconds=1)
        if later > editor.end_of_data():
            later = row["_loaded_at"]
        altered = alter[table](row) if table in alter else _altered(table, row)
        editor.edit(table).append({**row, **altered, "_loaded_at": later})

    return Fault(rule.id, "one log position of a key with two contents", (table,), change)


def _altered(table: str, row: Row) -> dict[str, Any]:
    """Another value of the last column that has one and is neither key nor reference."""
    own = [name for name in row if name not in (*LOG_COLUMNS, *schema.REFERENCES[table])]
    column = next(name for name in reversed(own) if name != schema.KEYS[table] and row[name])
    value = row[column]
    if isinstance(value, str):
        return {column: f"{value} (edited)"}
    return {column: value + (timedelta(seconds=1) if isinstance(value, datetime) else 1)}
