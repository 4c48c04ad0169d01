"""Long work tells what it does: a living line on a terminal, plain lines in a pipe."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from mbp.core.reporting.progress import progress
from tests.python.cli.commands.terminal import command, in_a_pipe, on_a_terminal

ESCAPE = "\x1b"
COUNTED = re.compile(r"\w+: [0-9,]+ of [0-9,]+ quotes")
LIVING = """
import time
from mbp.core.reporting.progress import progress
with progress() as shown:
    shown.say("reading [bold]quotes[/bold]")
    time.sleep(0.3)
    for done in range(0, 101, 10):
        shown.count("proving", done, 100, "faults")
        time.sleep(0.05)
print("the result")
"""


def test_in_a_pipe_there_is_a_line_per_tenth_and_no_colour(
    project_root: Path, tmp_path: Path
) -> None:
    done = in_a_pipe(project_root, ["simulate", "--output", str(tmp_path / "out")])
    assert done.returncode == 0, done.stderr
    assert ESCAPE not in done.stderr
    assert "\r" not in done.stderr
    counted = [line for line in done.stderr.splitlines() if COUNTED.fullmatch(line)]
    assert 2 <= len(counted) <= 20
    assert done.stdout == ""


def test_on_a_terminal_a_line_moves_and_what_is_done_stays(
    project_root: Path, tmp_path: Path
) -> None:
    program = tmp_path / "living.py"
    program.write_text(LIVING)
    seen = on_a_terminal(project_root, [command([])[0], str(program)])
    assert ESCAPE in seen
    assert re.search(r"reading \[bold\]quotes\[/bold\] \(\d+\.", seen), (
        "the step stays, as it was told"
    )
    assert "of 100 faults" in seen
    assert re.search(r"proving \(\d+\.", seen)
    assert seen.rstrip().endswith("the result")


def test_what_is_printed_beside_the_living_line_is_escaped(
    project_root: Path, tmp_path: Path
) -> None:
    program = tmp_path / "hostile.py"
    program.write_text(
        "import sys\nfrom mbp.core.reporting.terminal import guard\nguard()\n"
        + LIVING.replace("reading", "reading \\x1b]0;owned\\x07").replace(
            '    shown.count("proving"',
            r'    print("\x1b]0;owned\x07", "\u202e", file=sys.stderr); print("\x1b[8mno")'
            '; shown.count("prov\\x1b[2Jing"',
        )
    )
    seen = on_a_terminal(project_root, [command([])[0], str(program)])
    assert r"\u001b]0;owned\u0007 \u202e" in seen
    assert r"\u001b[8mno" in seen
    assert r"reading \u001b]0;owned" in seen
    for raw in ("\x1b]0", "\u202e", "\x1b[8m", "\x1b[2J"):
        assert raw not in seen
    assert seen.rstrip().endswith("the result")


def test_a_dumb_terminal_gets_plain_lines(project_root: Path, tmp_path: Path) -> None:
    program = tmp_path / "living.py"
    program.write_text(LIVING)
    seen = on_a_terminal(project_root, [command([])[0], str(program)], more={"TERM": "dumb"})
    assert ESCAPE not in seen
    assert "proving: 50 of 100 faults" in seen


def test_a_count_tells_each_tenth_once(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as shown:
        for done in range(1001):
            shown.count("write", done, 1000, "rows")
    told = capsys.readouterr().err.splitlines()
    assert told == [f"write: {100 * tenth:,} of 1,000 rows" for tenth in range(1, 11)]


def test_an_error_ends_the_living_line(project_root: Path, tmp_path: Path) -> None:
    program = tmp_path / "failing.py"
    program.write_text(
        LIVING.replace('    shown.count("proving"', '    raise SystemExit("broken") #')
    )
    seen = on_a_terminal(project_root, [command([])[0], str(program)])
    assert "broken" in seen
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h"), "the cursor is shown again"


def test_a_scan_tells_each_source(project_root: Path, tmp_path: Path) -> None:
    from mbp.quality.privacy.privacy_policy import load_policy
    from mbp.quality.privacy.scan_sources import Looker

    told: list[str] = []
    policy = load_policy(project_root)
    Looker(tmp_path, "duckdb", policy).look(told.append)
    assert told == [f"scanning {one.id}" for one in policy.sources]


def test_quiet_shows_results_alone(project_root: Path, tmp_path: Path) -> None:
    done = in_a_pipe(project_root, ["--quiet", "simulate", "--output", str(tmp_path / "out")])
    assert (done.returncode, done.stdout) == (0, "")
    assert not COUNTED.search(done.stderr)


def test_the_version_is_that_of_the_package(project_root: Path) -> None:
    done = in_a_pipe(project_root, ["--version"])
    assert done.stdout == f"mbp {metadata.version('mbp-data-contracts')}\n"
