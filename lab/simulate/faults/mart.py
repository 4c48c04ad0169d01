"""Faults of datasets without a change log: one row of the built model, in SQL of all engines."""

from __future__ import annotations

from lab.simulate import schema
from lab.simulate.faults.fault_model import Fault, FaultRule

WRONG_TEXT = "unheard-of?!"


def broken_row(rule: FaultRule) -> Fault | None:
    """The row with the largest key, broken as the rule forbids; None for a rule that no row breaks alone."""
    contract = schema.CONTRACTS[rule.dataset]
    mart, key = f"marts.{rule.dataset}", contract.key.name
    if rule.test.endswith("expect_table_row_count_to_be_between"):
        return Fault(rule.id, "no rows at all", statements=(f"delete from {mart}",))
    column = next(
        (candidate for candidate in contract.columns if candidate.name == rule.columns[0]), None
    )
    if column is None:
        return None
    last = f"{key} = (select max({key}) from {mart})"
    if rule.test == "unique" and column.primary_key:
        statement = f"insert into {mart} select * from {mart} where {last}"
    else:
        value = _wrong_value(rule, mart, key, text=column.logical_type == "string")
        if value is None:
            return None
        statement = f"update {mart} set {column.name} = {value} where {last}"
    rows = 2 if rule.test == "unique" else 1
    text = f"one row with a wrong {column.name}"
    return Fault(rule.id, text, statements=(statement,), rows=rows)


def _wrong_value(rule: FaultRule, mart: str, key: str, *, text: bool) -> str | None:
    """A value that the rule refuses, as SQL."""
    top, bottom = rule.arguments.get("max_value"), rule.arguments.get("min_value")
    name = rule.test.rpartition(".")[2]
    if name == "unique":
        return (
            f"(select {rule.columns[0]} from {mart} where {key} = (select min({key}) from {mart}))"
        )
    if name == "expect_column_values_to_be_between":
        return f"{top} + 1" if top is not None else f"{bottom} - 1"
    if name == "expect_column_value_lengths_to_be_between":
        return f"'{'x' * (int(top) + 1 if top else int(bottom or 1) - 1)}'"
    if name in ("relationships", "accepted_values", "expect_column_values_to_match_regex"):
        return f"'{WRONG_TEXT}'" if text else "-1"
    return "null" if name == "not_null" else None
