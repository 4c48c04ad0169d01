"""The table of change kinds: one pair of contracts per code, named by the code, with what must be said of it.

A file gives what differs from a plain contract: `contract` keys, `table` keys, one `column` c, further
`columns`, further `tables`, and whether there is a `key`.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from mbp.contracts.compatibility.change_model import CATALOGUE, Change
from mbp.contracts.compatibility.diff import bump_of, diff

FOLDER = Path(__file__).parent / "golden"
CASES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
# A change that cannot come alone: the thing that it follows from is told as well.
TOGETHER = {
    "primary_key_added": {"required_added"},
    "primary_key_removed": {"required_removed"},
}


def contract(part: dict[str, Any]) -> dict[str, Any]:
    """The whole contract that a file's `old` or `new` stands for."""
    key = {"name": "id", "logicalType": "string"}
    if part.get("key", True):
        key |= {"primaryKey": True}
    column = {"name": "c", **part.get("column", {"logicalType": "string"})}
    table = {"name": "t", "properties": [key, column, *part.get("columns", [])]}
    other = [
        {"name": name, "properties": [{"name": "id", "logicalType": "string"}]}
        for name in part.get("tables", [])
    ]
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "c",
        "version": "1.0.0",
        "status": "active",
        "schema": [table | part.get("table", {}), *other],
        **part.get("contract", {}),
    }


def case(code: str) -> tuple[dict[str, Any], list[Change]]:
    """What the file says, and what the engine says."""
    said = yaml.safe_load((FOLDER / f"{code}.yaml").read_text(encoding="utf-8"))
    return said, diff(contract(said["old"]), contract(said["new"]))


def test_every_code_has_its_pair_and_every_pair_its_code() -> None:
    assert set(CASES) == CATALOGUE.keys()


@pytest.mark.parametrize("code", CASES)
def test_the_change_is_told_by_its_code_and_judged_as_written(code: str) -> None:
    said, changes = case(code)
    assert {change.code for change in changes} - TOGETHER.get(code, set()) == {code}
    for change in changes:
        if change.code == code:
            assert change.backward.value == said["backward"]
            assert change.forward.value == said["forward"]
            assert bump_of(change) == said["bump"]


@pytest.mark.parametrize("code", [code for code in CASES if CATALOGUE[code].row_level])
def test_a_break_of_rows_shows_a_row(code: str) -> None:
    said, changes = case(code)
    (change,) = (change for change in changes if change.code == code)
    broken = {name for name in ("backward", "forward") if said[name] == "break"}
    assert set(change.witness) == broken


@pytest.mark.parametrize("code", CASES)
def test_no_change_is_no_change(code: str) -> None:
    said, _ = case(code)
    for side in ("old", "new"):
        whole = contract(said[side])
        assert diff(whole, copy.deepcopy(whole)) == []
