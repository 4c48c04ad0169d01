"""The layers of the code: each has a README that a newcomer can follow, and the architecture shows all of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

READ_FIRST = re.compile(r"^\d\. (`[^`]+`(?: and `[^`]+`)*): \S", re.MULTILINE)
NAME = re.compile(r"`([^`]+)`")
ROW = re.compile(r"^\| \[\w+]\(\.\./([\w/.]+)\) \|", re.MULTILINE)
MOST_LINES = 40


def layers(root: Path) -> list[str]:
    """Names of the layers, the top one first, as import-linter holds them."""
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (contract,) = [one for one in settings["contracts"] if one["type"] == "layers"]
    assert len(contract["layers"]) > 5
    return list(contract["layers"])


def readmes(root: Path) -> list[Path]:
    return [
        *(root / "src/mbp" / layer / "README.md" for layer in layers(root)),
        root / "lab/README.md",
    ]


def missing_files(readme: Path) -> list[str]:
    """Files that a README names under "Read first" and that do not exist."""
    _, _, listed = readme.read_text("utf-8").partition("Read first:")
    return [
        name
        for names in READ_FIRST.findall(listed)
        for name in NAME.findall(names)
        if not (readme.parent / name).is_file()
    ]


def test_each_layer_says_what_to_read_first(project_root: Path) -> None:
    for readme in readmes(project_root):
        text = readme.read_text("utf-8")
        assert len(text.splitlines()) <= MOST_LINES, readme
        assert len(READ_FIRST.findall(text.partition("Read first:")[2])) == 5, readme
        assert not missing_files(readme), readme


def test_a_file_that_does_not_exist_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.py").touch()
    readme = tmp_path / "README.md"
    readme.write_text("Read first:\n\n1. `there.py`: this.\n2. `gone.py`: that.\n")
    assert missing_files(readme) == ["gone.py"]


def test_the_architecture_shows_the_layers_in_their_order(project_root: Path) -> None:
    page = project_root / "docs/architecture.md"
    section = page.read_text("utf-8").partition("## Layers of the code\n")[2].partition("\n## ")[0]
    expected = [readme.relative_to(project_root).as_posix() for readme in readmes(project_root)]
    assert ROW.findall(section) == expected
