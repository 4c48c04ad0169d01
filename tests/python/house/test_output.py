"""Output has one way out: mbp.core.reporting.terminal. A module that goes around it is found here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.python.sources import python_files

# Writing CSV for a person: the one module that neutralises formulas writes it. Seeds and the sample are read by dbt.
# Read by the privacy scan in memory, or by nobody: lines of its corpus.
CSV_FOR_DETECTORS = frozenset(
    {"mbp/quality/privacy/scanned_parts.py", "lab/corpora/outside/line_forms.py"}
)
CSV_FOR_PEOPLE = "mbp/core/reporting/spreadsheet.py"
CSV_FOR_DBT = frozenset(
    {
        "mbp/contracts/rendering/reference.py",
        "mbp/contracts/drafting/new_dataset.py",
        "lab/simulate/writers.py",
    }
)
STREAMS = frozenset({"stdout", "stderr"})
TERMINALS = ("/dev/tty", "/dev/stdout", "/dev/stderr", "/dev/fd")


def ways_around(tree: ast.AST) -> Iterator[str]:
    """Every expression that writes to a terminal past the guarded streams."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="__stdout__" | "__stderr__"):
                yield f"sys.{node.attr}"
            case ast.Attribute(attr="buffer", value=ast.Attribute(attr=name)) if name in STREAMS:
                yield f"sys.{name}.buffer"
            case ast.Attribute(
                attr="write" | "writev" | "fdopen" | "system" | "popen", value=ast.Name(id="os")
            ):
                yield f"os.{node.attr}"
            case ast.Constant(value=str(text)) if text.startswith(TERMINALS):
                yield text
            case ast.Constant(value=str(text)) if "\x1b[" in text:
                yield "an escape sequence: use mbp.core.reporting.terminal.paint"
            case ast.Constant(value=str(text)) if text.startswith(("::error", "::warning")):
                yield "an annotation: use mbp.core.reporting.output_forms"
            case ast.Call(func=ast.Attribute(attr="run" | "Popen" | "call" | "check_call" as name)):
                given = {word.arg for word in node.keywords}
                if (
                    isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "subprocess"
                    and not given & {"capture_output", "stdout"}
                ):
                    yield f"subprocess.{name} whose output is not captured"


def modules(project_root: Path) -> Iterator[tuple[str, ast.AST]]:
    for name, path in python_files(project_root).items():
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def test_no_module_prints_around_the_guard(project_root: Path) -> None:
    found = {
        f"{name}: {way}"
        for name, tree in modules(project_root)
        # A benchmark is no command of the program, and shows its steps on its own terminal.
        if name != "mbp/core/reporting/terminal.py" and not name.startswith("lab/bench/")
        for way in ways_around(tree)
    }
    assert found == set()


@pytest.mark.parametrize(
    "line",
    [
        "sys.__stdout__.write('x')",
        "sys.stdout.buffer.write(b'x')",
        "os.write(1, b'x')",
        "os.system('ls')",
        "open('/dev/tty', 'w')",
        "print('\\x1b[31m' + text)",
        "print(f'\\x1b[31m{text}')",
        "print(f'::error title=x::{text}')",
        "subprocess.run(['ls'], check=True)",
        "subprocess.Popen(['ls'])",
    ],
)
def test_each_way_around_is_found(line: str) -> None:
    assert list(ways_around(ast.parse(line)))


def test_csv_is_written_in_known_places(project_root: Path) -> None:
    writers = {
        name
        for name, tree in modules(project_root)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("writer", "DictWriter", "to_csv")
        and (node.attr == "to_csv" or (isinstance(node.value, ast.Name) and node.value.id == "csv"))
    }
    assert writers == CSV_FOR_DBT | CSV_FOR_DETECTORS | {CSV_FOR_PEOPLE}
