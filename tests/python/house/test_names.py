"""A name of a module or of a class is enough to find it: no two modules and no two public classes share one."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from tests.python.sources import python_files

# A package is named by its path; a command is named after what people type.
NOT_NAMED = ("__init__.py", "__main__.py")
COMMANDS = ("mbp/cli/commands/", "lab/commands/")


def modules(files: Mapping[str, Path]) -> dict[str, list[str]]:
    """Name of a module -> the files that have it."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, file in files.items():
        if file.name not in NOT_NAMED and not name.startswith(COMMANDS):
            found[file.stem].append(name)
    return found


def classes(files: Mapping[str, Path]) -> dict[str, list[str]]:
    """Name of a public class of a module -> the files that have it."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, file in files.items():
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(name)
    return found


def shared(names: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {name: places for name, places in names.items() if len(places) > 1}


def test_no_two_modules_share_a_name(project_root: Path) -> None:
    names = modules(python_files(project_root))
    assert len(names) > 100
    assert not shared(names), "name each after what it holds"


def test_a_shared_name_is_found(tmp_path: Path) -> None:
    files = {}
    for name in ("mbp/one/run.py", "mbp/two/run.py", "mbp/cli/commands/run.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True)
        file.write_text("class World:\n    pass\n")
        files[name] = file
    assert shared(modules(files)) == {"run": ["mbp/one/run.py", "mbp/two/run.py"]}
    assert list(shared(classes(files))) == ["World"]


def test_no_two_public_classes_share_a_name(project_root: Path) -> None:
    names = classes(python_files(project_root))
    assert len(names) > 100
    assert not shared(names), "name each after what it holds"
