"""Fixes lead on: each command in a message exists, and running it changes the state that the message names."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lab.exercises.project_copy import copy_parts
from mbp.cli.main import app, register
from mbp.core import yaml_io
from mbp.core.errors import MbpError
from mbp.release.documents.command_lines import known_commands, objection_to_call

COMMAND = re.compile(r"`((?:mbp|dbt|make) [^`]+)`")
VALUE = "…"
# Behind these words a message fills in the command itself.
GROUPS = ("mbp", "cdc", "degrade", "gate")
GROUPS_ONLY = ("mbp cdc", "mbp degrade", "mbp --help")
HERE = Path(__file__).parent
STORIES = HERE / "fixes.yaml"


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text that a program may print: no documentation, and each value in it as VALUE."""
    inner = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in inner | documentation:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def printed(root: Path) -> dict[str, str]:
    """Command in a message -> the first file with it."""
    found: dict[str, str] = {}
    files = [path for part in ("src", "lab") for path in sorted((root / part).rglob("*.py"))]
    for path in files:
        for text in texts(ast.parse(path.read_text(encoding="utf-8"))):
            for command in COMMAND.findall(text):
                found.setdefault(command, str(path.relative_to(root)))
    for path in sorted((root / "src").rglob("*_codes.yaml")):
        for fix in re.findall(r"^ +fix: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            for command in COMMAND.findall(fix):
                found.setdefault(command, str(path.relative_to(root)))
    return found


def name_of(command: str) -> str:
    """Its words without arguments: what a story is kept under."""
    words = command.split()
    if words[0] != "mbp":
        return " ".join(words[:2])
    name = words[1]
    if len(words) > 2 and f"{name} {words[2]}" in known_commands():
        name += f" {words[2]}"
    return f"mbp {name}"


def test_every_command_in_a_message_can_be_run(project_root: Path) -> None:
    register()
    targets = re.findall(r"^([a-z-]+):", (project_root / "Makefile").read_text(), re.MULTILINE)
    wrong = []
    for command, place in printed(project_root).items():
        words = [re.sub(rf"^(<.*>|[A-Z]+|{VALUE})$", "x", word) for word in command.split()]
        words = [word.replace(VALUE, "") for word in words]
        if words[0] == "make" and words[1] not in targets:
            wrong.append(f"{place}: no target {words[1]}")
        # `mbp …`, `mbp cdc …`: the name itself is filled in.
        if (
            words[0] != "mbp"
            or command in GROUPS_ONLY
            or (command.split()[-1] == VALUE and words[-2] in GROUPS)
        ):
            continue
        if told := objection_to_call(words[1:]):
            wrong.append(f"{place}: {told}")
    assert not wrong, "\n".join(wrong)


def test_every_command_in_a_message_has_the_story_of_a_test(project_root: Path) -> None:
    """A new fix needs a test that runs it in the state which the message names; fixes.yaml says which."""
    register()
    stories = yaml_io.load(STORIES)
    wanted = {name_of(command) for command in printed(project_root)}
    wanted -= {name for name in wanted if VALUE in name or name in GROUPS_ONLY}
    assert sorted(stories) == sorted(wanted)
    for name, story in stories.items():
        file, _, function = str(story).partition("::")
        source = (HERE.parent / file).read_text(encoding="utf-8")
        assert f"def {function}(" in source, f"{name}: no {story}"


def mbp(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


SPOILT = {
    "models/staging/mbp/stg_mbp__quotes.sql": ("contracts", "render", "--check"),
    "docs/reference/rules.md": ("contracts", "render", "--check"),
    "docs/adr/README.md": ("docs", "render", "--check"),
    "observability/prometheus/mbp_rules.yml": ("hooks", "render", "--check"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_the_printed_fix_is_run_and_fixes(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    register()
    root = tmp_path / "project"
    copy_parts(project_root, root)
    shutil.copytree(project_root / "observability", root / "observability")
    monkeypatch.setenv("MBP_PROJECT_DIR", str(root))
    path = root / spoilt
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}\n-- by hand\n", encoding="utf-8")
    stale = mbp(*SPOILT[spoilt])
    assert stale.exit_code == 1
    said = stale.output + (str(stale.exception) if isinstance(stale.exception, MbpError) else "")
    (fix, *_) = COMMAND.findall(said)
    assert mbp(*fix.split()[1:]).exit_code == 0
    assert mbp(*SPOILT[spoilt]).exit_code == 0
    assert path.read_text(encoding="utf-8") == text
