"""The examples for Airflow and Dagster: they parse, and each command in them exists with its options."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from mbp.release.documents.command_lines import objection_to_call

PAGE = "docs/orchestration.md"


def blocks(root: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (root / PAGE).read_text(encoding="utf-8"), re.DOTALL)


def commands(tree: ast.AST) -> Iterator[str]:
    """Every text in the code that is a command line of ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and str(node.value).startswith("mbp "):
            yield str(node.value)


@pytest.mark.parametrize("index", [0, 1], ids=["airflow", "dagster"])
def test_an_example_parses_and_its_commands_exist(project_root: Path, index: int) -> None:
    both = blocks(project_root)
    assert len(both) == 2
    tree = ast.parse(both[index])
    compile(tree, PAGE, "exec")
    found = list(commands(tree))
    assert len(found) == 5
    for command in found:
        told = objection_to_call(shlex.split(command)[1:])
        assert told is None, told


def test_both_run_the_same_commands_in_the_same_order(project_root: Path) -> None:
    airflow, dagster = (sorted(commands(ast.parse(one))) for one in blocks(project_root))
    assert airflow == dagster
