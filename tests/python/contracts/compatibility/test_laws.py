"""Laws of the engine on generated contracts: verdicts, witnesses and values agree, both ways."""

from __future__ import annotations

import copy
from decimal import localcontext
from itertools import islice
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from compatibility.strategies import columns, contracts
from mbp.contracts.compatibility.cells import row_schema
from mbp.contracts.compatibility.change_model import CATALOGUE, Compatibility, SchemaNode
from mbp.contracts.compatibility.diff import DIGITS, bump_of, diff, verdicts
from mbp.contracts.compatibility.odcs_tables import tables
from mbp.contracts.compatibility.values import allowed, candidates
from mbp.contracts.compatibility.witness import RowBuilder, find

SETTINGS = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def mutated(draw: st.DrawFn, contract: dict[str, Any]) -> dict[str, Any]:
    """The contract with one column drawn again: pairs that are near each other tell more."""
    other = copy.deepcopy(contract)
    properties = other["schema"][0]["properties"]
    index = draw(st.integers(0, len(properties) - 1))
    properties[index] = {"name": properties[index]["name"], **draw(columns())}
    return other


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two contracts, often near each other."""
    old = draw(contracts())
    return old, (draw(contracts()) if draw(st.integers(0, 3)) == 0 else mutated(draw, old))


@given(contracts())
@SETTINGS
def test_a_contract_does_not_differ_from_itself(contract: dict[str, Any]) -> None:
    assert diff(contract, copy.deepcopy(contract)) == []


@given(pairs())
@SETTINGS
def test_directions_mirror_each_other_and_every_change_is_known(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    there, back = diff(*pair), diff(*reversed(pair))
    assert {change.code for change in there} <= CATALOGUE.keys()
    assert bool(there) == bool(back)
    assert all(bump_of(change) in ("patch", "minor", "major") for change in there)


@given(pairs())
@SETTINGS
def test_every_broken_row_level_change_shows_a_row(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    for change in diff(*pair):
        if not CATALOGUE[change.code].row_level:
            continue
        for direction in ("backward", "forward"):
            if getattr(change, direction) is Compatibility.BREAK and not empty(pair, direction):
                assert direction in change.witness, change


@given(pairs())
@SETTINGS
def test_where_no_break_is_said_no_row_shows_one(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    both = verdicts(diff(*pair))
    with localcontext() as context:
        context.prec = DIGITS
        old, new = (tables(contract, "generated")["t"] for contract in pair)
        for direction, narrow, wide in (("backward", old, new), ("forward", new, old)):
            if getattr(both, direction) is not Compatibility.OK:
                continue
            valid = Draft202012Validator(row_schema(narrow, by_name=False))
            judge = Draft202012Validator(row_schema(wide, by_name=direction == "forward"))
            for row in rows_of(narrow, wide):
                if valid.is_valid(row):
                    assert judge.is_valid(row), (direction, row)


def rows_of(narrow: SchemaNode, wide: SchemaNode) -> list[Any]:
    """Rows with every edge value of every scalar column, and with nulls."""
    make = RowBuilder(narrow, wide, {})
    found = list(make.rows({}))
    for node in scalars(narrow):
        other = find(wide, node.path) or node
        for value in [None, *islice(candidates(node, other), 60)]:
            if value is None or allowed(value, node):
                found += make.rows({node.path: ("value", value)})
    return found


def scalars(node: SchemaNode) -> list[SchemaNode]:
    """The leaves of the tree."""
    if not node.children:
        return [node]
    return [leaf for child in node.children for leaf in scalars(child)]


def empty(pair: tuple[dict[str, Any], dict[str, Any]], direction: str) -> bool:
    """Some column of the narrow contract allows no value: then everything holds of its values."""
    narrow, wide = pair if direction == "backward" else reversed(pair)
    with localcontext() as context:
        context.prec = DIGITS
        table, other = (tables(contract, "generated")["t"] for contract in (narrow, wide))
        return any(
            not any(
                allowed(value, node) for value in candidates(node, find(other, node.path) or node)
            )
            for node in scalars(table)
            if node.kind.name in ("integer", "decimal", "float", "string", "date", "timestamp")
        )
