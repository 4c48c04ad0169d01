"""An error says what to do next: whatever refuses to go on names its fix."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.python.sources import python_files

# Their caller knows the fix: why a check has no measurement (the gate names the command of the check),
# and what a pack would give away.
TOLD_BY_OTHERS = {"NotMeasuredError", "NoEvidenceError"}


def kinds(trees: dict[Path, ast.Module]) -> set[str]:
    """MbpError and everything that is one."""
    found = {"MbpError"}
    while True:
        more = {
            node.name
            for tree in trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            and any(isinstance(base, ast.Name) and base.id in found for base in node.bases)
        }
        if more <= found:
            return found
        found |= more


def without_fix(tree: ast.Module, names: set[str]) -> Iterator[int]:
    """Lines of the errors that name none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            given = {keyword.arg for keyword in node.keywords}
            if not given & {"fix", None}:
                yield node.lineno


def test_every_error_names_its_fix(project_root: Path) -> None:
    trees = {path: ast.parse(path.read_text()) for path in python_files(project_root).values()}
    names = kinds(trees)
    assert names > TOLD_BY_OTHERS
    silent = [
        f"{path.relative_to(project_root)}:{line}: add fix="
        for path, tree in sorted(trees.items())
        for line in without_fix(tree, names - TOLD_BY_OTHERS)
    ]
    assert not silent, "\n".join(silent)


def test_an_error_without_fix_is_noticed() -> None:
    tree = ast.parse("raise MbpError('wrong', path='x')\nraise MbpError('wrong', fix='fix it')")
    assert list(without_fix(tree, {"MbpError"})) == [1]
