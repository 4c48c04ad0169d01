"""The columns that a public model really selects, against those of its contract."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from mbp.contracts.model import Contract
from mbp.core.dbt_project import node_file
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.schema_check import did_you_mean
from mbp.core.settings import load_settings

MODELS = "models/marts/mbp"
# House style: the last CTE is called final, lists its columns, and the model selects all of it.
FINAL = re.compile(r"\bfinal\s+as\s*\(\s*select\b(?P<columns>.*?)\bfrom\b", re.DOTALL)
NAME = re.compile(r"[a-z_][a-z0-9_]*$")


def model_path(root: Path, dataset: str) -> Path:
    """The file of the model, seed or snapshot of the dataset; where a model would be, without one."""
    return node_file(root, dataset) or root / MODELS / f"{dataset}.sql"


def check_models(root: Path, contracts: Sequence[Contract]) -> None:
    """Every contract's columns equal those of its model.

    Raises:
        MbpError: a model is missing, or one side has a column that the other has not.
    """
    hosted = load_settings(root).hosted
    for contract in contracts:
        path = model_path(root, contract.dataset)
        name = shown(path, root)
        if not path.is_file():
            what = f"no model, seed or snapshot {contract.dataset}"
            raise MbpError(what, path=contract.path, fix=f"write {name}, or remove the contract")
        if path.suffix == ".py" or (hosted and path.suffix == ".sql"):
            continue  # only the table shows its columns: `mbp registry drift`
        results = selected_columns(path, name)
        promised = [column.name for column in contract.columns]
        for column in promised:
            if column not in results:
                raise MbpError(
                    f"the column {column!r} is not in the model {name}",
                    path=contract.path,
                    line=contract.column_line(column),
                    fix=did_you_mean(column, results.keys() - set(promised))
                    if results.keys() - set(promised)
                    else "add it to the final select of the model or remove it from the contract",
                )
        for column, line in results.items():
            if column not in promised:
                what = f"the column {column!r} is not in the contract {contract.path}"
                fix = "describe it in the contract or remove it from the model"
                raise MbpError(what, path=name, line=line, fix=fix)


def selected_columns(path: Path, name: str) -> dict[str, int]:
    """Column -> line, of the CTE `final` in the model at `path`.

    Raises:
        MbpError: no such CTE, or an entry without a name.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        return dict.fromkeys(next(csv.reader([text.lstrip("\ufeff").partition("\n")[0]]), ()), 1)
    bare = re.sub(r"--[^\n]*", lambda match: " " * len(match.group()), text)
    # The characters stay in place, so that offsets are those of the file.
    bare = re.sub(r"\{#.*?#\}", _blank, bare, flags=re.DOTALL)
    matched = FINAL.search(bare)
    if matched is None:
        fix = "follow the house style"
        raise MbpError("no CTE `final as (select <columns> from ...)`", path=name, fix=fix)
    columns: dict[str, int] = {}
    for offset, entry in _entries(matched["columns"]):
        line = text.count("\n", 0, matched.start("columns") + offset) + 1
        column = NAME.search(entry.strip())
        if column is None:
            what = f"expected a column with a name, found {entry.strip()!r}"
            raise MbpError(what, path=name, line=line, fix="name every column of `final`")
        if column.group() in columns:
            what = f"the column {column.group()!r} appears twice"
            raise MbpError(what, path=name, line=line, fix="select it once")
        columns[column.group()] = line
    return columns


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match.group())


def _entries(text: str) -> list[tuple[int, str]]:
    """(offset of the last line, text) of the parts between the commas that are in no bracket."""
    entries: list[tuple[int, str]] = []
    depth = start = 0
    for position, character in enumerate(f"{text},"):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            entry = text[start:position]
            entries.append((start + len(entry.rstrip()), entry))
            start = position + 1
    return entries
