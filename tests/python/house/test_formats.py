"""Findings have one way out: what ends with 1 has `--format`, and mbp.core.reporting alone writes the formats."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mbp.cli.main import register
from mbp.core.command_tree import command_tree
from mbp.core.reporting import Finding, Suite, show
from mbp.core.reporting.output_forms import FORMATS, written
from tests.python.sources import python_files

# What a command calls or names to end with 1.
ENDS_WITH_1 = frozenset({"report", "render_or_check"})
# They act, and 1 says that the act was refused or is not complete; or their output is that of another program.
ACTS = frozenset(
    {
        "cdc replay",
        "cdc run",
        "ci rules",  # a step of a pull request: always JSON, which `mbp ci comment` reads
        "degrade on",
        "evidence build",
        "gate sign",
    }
)
FORMS_OF_OTHERS = (
    "testsuite",
    "sarif-2.1",
    "partialFingerprints",
    "::error",
    "::warning",
    "::notice",
)


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """(words, command) of every command that does something."""
    below = getattr(command, "commands", {})
    for name, each in below.items():
        yield from commands(each, (*words, name))
    if not below:
        yield " ".join(words), command


def ends_with_1(function: Any) -> bool:
    """The function, or one of its module that it calls, names a way to end with 1."""
    tree = ast.parse(inspect.getsource(sys.modules[function.__module__]))
    bodies = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}
    waiting, seen = [function.__name__], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in bodies:
            continue
        seen.add(name)
        nodes = list(ast.walk(bodies[name]))
        called = {
            one.func.id
            for one in nodes
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
        }
        if called & ENDS_WITH_1 or "EXIT_FINDINGS" in {getattr(one, "id", "") for one in nodes}:
            return True
        waiting += called
    return False


@pytest.fixture(scope="module")
def tree() -> dict[str, Any]:
    register()
    return dict(commands(command_tree()))


def formats(command: Any) -> set[str]:
    return {
        choice
        for parameter in command.params
        if "--format" in parameter.opts
        for choice in getattr(parameter.type, "choices", ())
    }


def test_every_format_option_has_text_json_and_markdown(tree: dict[str, Any]) -> None:
    wanted = {"text", "json", "markdown"}
    assert [
        words for words, one in tree.items() if formats(one) and not wanted <= formats(one)
    ] == []


def test_text_is_markdown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show("markdown", text="a | b\n", json={})
    assert capsys.readouterr().out == "```text\na | b\n```\n"
    show("markdown", text="a", markdown="**a**")
    assert capsys.readouterr().out == "**a**\n"


def test_failures_come_first() -> None:
    found = [
        Finding("A", "fine", severity="note"),
        Finding("B", "wrong"),
        Finding("C", "perhaps", severity="warning"),
    ]
    suite = Suite("check", ["file"], found)
    for form in ("text", "markdown"):
        lines = written(suite, form)
        assert lines.index("wrong") < lines.index("perhaps") < lines.index("fine"), form


def test_every_command_that_ends_with_1_has_text_and_json(tree: dict[str, Any]) -> None:
    reporting = {
        words: command
        for words, command in tree.items()
        if words not in ACTS
        and inspect.unwrap(command.callback).__module__.startswith("mbp.")
        and ends_with_1(inspect.unwrap(command.callback))
    }
    assert len(reporting) > 25
    assert [words for words, one in reporting.items() if not {"text", "json"} <= formats(one)] == []


def test_the_exceptions_are_commands_that_end_with_1(tree: dict[str, Any]) -> None:
    needless = [one for one in ACTS if not ends_with_1(inspect.unwrap(tree[one].callback))]
    assert needless == []


def test_checks_offer_every_format(tree: dict[str, Any]) -> None:
    for words in ("contracts lint", "quality failures", "privacy scan", "gate M2", "docs coverage"):
        assert formats(tree[words]) == set(FORMATS), words


def test_no_command_has_a_flag_for_one_format(tree: dict[str, Any]) -> None:
    flags = {"--json", "--markdown", "--sarif", "--junit"}
    found = [w for w, one in tree.items() for p in one.params if flags & set(p.opts)]
    assert found == []


def test_no_other_module_writes_a_format(project_root: Path) -> None:
    found = {
        f"{name}: {node.value}"
        for name, path in python_files(project_root).items()
        if not name.startswith("mbp/core/reporting/")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(FORMS_OF_OTHERS)
    }
    assert found == set()
