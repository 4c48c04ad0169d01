"""Every option of every command is used or explained somewhere; the generated reference does not count."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from mbp.cli.main import register
from mbp.core.command_tree import command_tree

PLACES = ("docs", "README*", "lab/README.md", "scripts", "Makefile", ".github", ".ci", "tests")
GENERATED = ":!docs/reference"


def options(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """(words of the command, its option in all its forms) of a command and those below it."""
    for parameter in command.params:
        if parameter.param_type_name == "option":
            yield words, " / ".join([*parameter.opts, *parameter.secondary_opts])
    for name, below in getattr(command, "commands", {}).items():
        yield from options(below, (*words, name))


def texts_of_uses(root: Path) -> list[str]:
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "--")
    names = subprocess.run(
        [*listed, *PLACES, GENERATED], cwd=root, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    here = Path(__file__).resolve()
    files = [root / name for name in names if (root / name).is_file()]
    return [file.read_text("utf-8", errors="ignore") for file in files if file.resolve() != here]


def unused(command: Any, texts: list[str]) -> list[str]:
    """Options that no text names together with the words of their command."""

    @cache
    def places(word: str) -> frozenset[int]:
        whole = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
        return frozenset(
            place for place, text in enumerate(texts) if word in text and whole.search(text)
        )

    found = []
    for words, option in options(command):
        forms = frozenset().union(*(places(form) for form in option.split(" / ")))
        for word in words:
            forms &= places(word)
        if not forms:
            found.append(f"{' '.join(('mbp', *words))} {option}")
    return found


def test_every_option_is_used_or_explained(project_root: Path) -> None:
    register()
    tree = command_tree()
    assert len(list(options(tree))) > 100
    found = unused(tree, texts_of_uses(project_root))
    assert not found, f"remove the option with its code, or explain it in docs/: {found}"


def test_an_option_that_nothing_names_is_found() -> None:
    register()
    found = unused(command_tree(), ["mbp build --strict", "mbp load --from market"])
    assert any(line.startswith("mbp gate ") for line in found)
    assert not any("mbp load --from" in line for line in found)
