"""`mbp --help` is in the order of what people want to do; a mistyped word is answered with the nearest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mbp.cli import commands
from mbp.release.documents.command_lines import known_commands
from tests.python.cli.commands.terminal import in_a_pipe


def top_commands() -> dict[str, object]:
    return {name: one for name, one in known_commands().items() if " " not in name}


def test_every_command_stands_under_a_heading_that_exists() -> None:
    found = {name: getattr(one, "rich_help_panel", None) for name, one in top_commands().items()}
    assert len(found) > 20
    strays = {name: panel for name, panel in found.items() if panel not in commands.PANELS}
    assert not strays, "give register() a rich_help_panel of mbp.cli.commands"
    assert set(found.values()) == set(commands.PANELS)


def test_the_help_has_the_headings_in_their_order(project_root: Path) -> None:
    told = in_a_pipe(project_root, ["--help"]).stdout
    places = [told.index(panel) for panel in commands.PANELS]
    assert places == sorted(places)
    assert told.index(" build ") < told.index(" load ") < told.index(" gate ")


@pytest.mark.parametrize(
    ("typed", "nearest"), [(["biuld"], "'build'"), (["contracts", "chek"], "'check'")]
)
def test_an_unknown_command_is_answered_with_the_nearest(
    project_root: Path, typed: list[str], nearest: str
) -> None:
    done = in_a_pipe(project_root, typed)
    assert done.returncode == 2
    assert f"Did you mean {nearest}?" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_imports_nothing_heavy(project_root: Path) -> None:
    """Start-up: what reads documents, SQL or a warehouse is imported by the command that needs it."""
    heavy = ("jsonschema", "sqlglot", "duckdb", "dbt", "psycopg2", "numpy", "pyarrow", "requests")
    code = (
        "import sys; from mbp.cli import main; main.register();"
        f" print(*[name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project_root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
