"""Whatever happens, `mbp` ends with a line and an exit code of its own; 1 means findings and nothing else."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import duckdb
import psycopg2
import psycopg2.errors
import pytest
import typer

from mbp.cli import last_resort
from mbp.cli.commands.cdc import StopSignal
from mbp.core.errors import MbpError
from tests.python.cli.commands.terminal import command, in_a_pipe, surroundings


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MBP_STATE_DIR", str(tmp_path))
    return tmp_path


def raising(error: BaseException) -> Callable[[], None]:
    """A command line of typer whose command raises."""
    app = typer.Typer()

    @app.command()
    def command() -> None:
        raise error

    def run() -> None:
        sys.argv[1:] = []
        app()

    return run


class OddError(Exception):
    """Nobody foresaw it."""


def logs(state: Path) -> list[Path]:
    return sorted((state / "errors").glob("*.log"))


@pytest.mark.parametrize(
    ("error", "code", "told", "logged"),
    [
        (typer.Exit(0), 0, "", False),
        (typer.Exit(1), 1, "", False),
        (typer.Exit(2), 2, "", False),
        (MbpError("wrong", path="a.yaml", fix="fix it"), 2, "mbp: a.yaml: wrong. Fix: fix", False),
        (KeyboardInterrupt(), 130, "mbp: interrupted\n", False),
        (typer.BadParameter("bad"), 2, "bad", False),
        (typer.Abort(), 2, "Aborted", False),
        (EOFError(), 2, "Aborted", False),
        (SystemExit(1), 2, "", False),
        (SystemExit("of a library"), 2, "", False),
        (OddError("boo\nhoo"), 2, "mbp: unexpected OddError: boo\n", True),
        (OddError(), 2, "mbp: unexpected OddError\n", True),
        (KeyError("x"), 2, "mbp: unexpected KeyError: 'x'\n", True),
        (RecursionError("deep"), 2, "unexpected RecursionError", True),
        (MemoryError(), 2, "unexpected MemoryError", True),
        (AssertionError(), 2, "unexpected AssertionError", True),
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), 2, "a/b: No space left", True),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 2, "Broken pipe", True),  # not of our output
        (duckdb.CatalogException("Table kpi_windows does not exist\nLINE 1"), 2,
         "does not have what this command reads: Table kpi_windows does not exist. Fix: run `mbp build`", True),
        (duckdb.ConversionException("Could not convert"), 2, "DuckDB refused: Could not", True),
        (psycopg2.errors.UndefinedTable("no table\nLINE 1"), 2, "reads: no table. Fix: run", True),
        (psycopg2.errors.InsufficientPrivilege("permission denied"), 2, "MBP_PG_ROLE", True),
        (psycopg2.OperationalError("server closed"), 2, "PostgreSQL ended the connection", True),
        (psycopg2.InterfaceError("connection already closed"), 2, "is closed", True),
    ],
)  # fmt: skip
def test_every_end_has_its_code_and_its_line(
    state: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    told: str,
    logged: bool,
) -> None:
    monkeypatch.setattr(sys, "argv", ["mbp"])
    assert last_resort.run(raising(error)) == code
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said
    assert len(logs(state)) == logged
    if logged:
        lines = [line for line in said.splitlines() if line]
        assert len(lines) == 2, said
        assert lines[1] == f"mbp: report this with {logs(state)[0]}"
        assert "Traceback (most recent call last)" in logs(state)[0].read_text()
        assert "def command" not in said
        assert logs(state)[0].stat().st_mode & 0o077 == 0


def test_the_same_fault_is_one_log(state: Path) -> None:
    fault = raising(OddError("again"))
    for _ in range(3):
        assert last_resort.run(fault) == 2
    assert len(logs(state)) == 1


def test_without_a_place_for_the_log_the_traceback_is_on_stderr(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (state / "errors").write_text("a file where the folder should be")
    assert last_resort.run(raising(OddError("boo"))) == 2
    said = capsys.readouterr().err
    assert said.startswith("mbp: unexpected OddError: boo\n")
    assert "no log could be written" in said
    assert "Traceback" in said


def test_outside_of_a_project_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MBP_PROJECT_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert last_resort.run(raising(OddError("boo"))) == 2
    assert "OddError" in capsys.readouterr().err


def test_a_command_that_breaks_while_it_is_imported(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mbp.cli import main as cli

    def broken() -> None:
        raise ImportError("no module named 'something'")

    monkeypatch.setattr(cli, "register", broken)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "unexpected ImportError" in capsys.readouterr().err
    assert len(logs(state)) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["nosuch"], 2), (["quality", "failures", "--nosuch"], 2), (["watch", "--interval", "0"], 2),
     (["quality"], 2), ([], 2), (["--help"], 0)],
)  # fmt: skip
def test_wrong_usage_is_2(project_root: Path, arguments: list[str], code: int) -> None:
    assert in_a_pipe(project_root, arguments).returncode == code


@pytest.mark.parametrize("arguments", [["--help"], ["contracts", "rules", "--format", "json"]])
def test_a_reader_that_goes_away_is_no_fault(
    project_root: Path, state: Path, arguments: list[str]
) -> None:
    """`mbp ... | head`: the pipe is closed before the first line is written."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command(arguments),
        cwd=project_root,
        env=surroundings(project_root),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (2, "")
    assert logs(state) == []


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_stdout_is_no_pass(
    project_root: Path, state: Path, unbuffered: str
) -> None:
    changes = {"MBP_STATE_DIR": str(state), "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(["contracts", "status"]),
            cwd=project_root,
            env=surroundings(project_root, changes),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr


def interrupted(
    root: Path, arguments: list[str], settings: dict[str, str], begun: Callable[[str], bool]
) -> tuple[int, list[str]]:
    """(exit code, lines of mbp itself) of a command that gets Ctrl-C when it has begun."""
    log = Path(settings["MBP_STATE_DIR"]) / "said.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            command(arguments),
            cwd=root,
            env=surroundings(root, settings),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + 240
        while process.poll() is None and not begun(log.read_text()):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGINT)
        code = process.wait(120)
    said = log.read_text()
    assert "Traceback" not in said
    return code, [line for line in said.splitlines() if line.startswith("mbp: ")]


def test_ctrl_c_ends_the_loop_of_the_watch(project_root: Path, state: Path) -> None:
    settings = {"MBP_STATE_DIR": str(state), "MBP_DUCKDB_PATH": str(state / "mbp.duckdb")}
    words = ["watch", "--interval", "600"]
    code, lines = interrupted(project_root, words, settings, lambda said: "does not exist" in said)
    assert (code, lines[-1]) == (130, "mbp: interrupted")


@pytest.mark.parametrize("words", [["build"]], ids=" ".join)
def test_ctrl_c_in_the_middle_of_dbt(project_root: Path, state: Path, words: list[str]) -> None:
    settings = {
        "MBP_STATE_DIR": str(state),
        "MBP_DUCKDB_PATH": str(state / "mbp.duckdb"),
        "DBT_TARGET_PATH": str(state / "target"),
        "DBT_LOG_PATH": str(state / "logs"),
        "DBT_TARGET": "duckdb",
    }
    code, lines = interrupted(project_root, words, settings, lambda said: " of " in said)
    assert (code, lines) == (130, ["mbp: interrupted"])


@pytest.mark.parametrize(
    ("number", "once", "ended"),
    [
        (signal.SIGINT, False, KeyboardInterrupt),
        (signal.SIGINT, True, KeyboardInterrupt),
        (signal.SIGTERM, True, MbpError),
        (signal.SIGTERM, False, None),
        (None, True, None),
        (None, False, None),
    ],
)
@pytest.mark.parametrize("fault", [None, MbpError("somebody wants us to stop", fix="x")])
def test_a_reader_of_changes_ends_as_it_was_asked(
    number: int | None, once: bool, ended: type[BaseException] | None, fault: MbpError | None
) -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    def read(asked: StopSignal) -> None:
        with asked.obeyed(once=once):
            if number is not None:
                signal.raise_signal(number)
            assert asked() is (number is not None)
            if fault is not None:
                raise fault

    try:
        expected: Any = MbpError if fault and ended is None else ended
        if expected is None:
            read(StopSignal())
        else:
            with pytest.raises(expected):
                read(StopSignal())
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def test_json_stays_pure(project_root: Path) -> None:
    json.loads(in_a_pipe(project_root, ["contracts", "rules", "--format", "json"]).stdout)


def test_an_interrupt_that_python_would_drop_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def frame(name: str, file: str) -> Any:
        return SimpleNamespace(f_code=SimpleNamespace(co_name=name, co_filename=file))

    again = Event()
    monkeypatch.setattr(last_resort, "interrupt_main", again.set)
    last_resort.interrupt(2, frame("cb", "<frozen importlib._bootstrap>"))
    assert again.wait(10)
    for other in (
        None,
        frame("cb", "mbp/build.py"),
        frame("load", "<frozen importlib._bootstrap>"),
    ):
        with pytest.raises(KeyboardInterrupt):
            last_resort.interrupt(2, other)
