"""How `mbp` ends: one line and an exit code for whatever happens, and a log file for unexpected errors.

Exit code 1 means findings, so it only ever comes from a command that said so.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import select
import sys
import traceback
from _thread import interrupt_main
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Timer
from types import FrameType
from typing import TextIO

import typer

from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_PASS, MbpError
from mbp.core.reporting.terminal import printable

EXIT_INTERRUPTED = 130
LONGEST_MESSAGE = 300
FOLDER = "errors"
DOCTOR = "`mbp doctor` checks the warehouse and the connection"
# The library, the classes by name (the first that is in the error's own classes counts), what happened, the fix.
LIBRARIES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "duckdb": (
        ("CatalogException", "the warehouse does not have what this command reads", "run `mbp build`"),
        ("IOException", "the DuckDB file cannot be used", DOCTOR),
        ("Error", "DuckDB refused", DOCTOR),
    ),
    "psycopg2": (
        ("UndefinedTable", "the warehouse does not have what this command reads", "run `mbp build`"),
        ("InvalidSchemaName", "the warehouse does not have what this command reads", "run `mbp build`"),
        ("InsufficientPrivilege", "PostgreSQL refused", f"check MBP_PG_USER and MBP_PG_ROLE; {DOCTOR}"),
        ("OperationalError", "PostgreSQL ended the connection", f"{DOCTOR}; then try again"),
        ("InterfaceError", "the connection to PostgreSQL is closed", f"{DOCTOR}; then try again"),
        ("Error", "PostgreSQL refused", DOCTOR),
    ),
}  # fmt: skip


def run(command: Callable[[], object]) -> int:
    """The exit code of a command line, after its last line is written.

    Args:
        command: runs typer in its standalone mode, which ends in SystemExit.
    """
    try:
        try:
            command()
            code = EXIT_PASS
        except SystemExit as end:
            code = _code_of(end)
        _deliver()
    except MbpError as error:
        return _end(f"mbp: {error}")
    except KeyboardInterrupt:
        return _interrupted()
    except OSError as error:
        if error.errno == errno.EPIPE and _readers_left():
            return EXIT_COULD_NOT_RUN
        return _unexpected(error)
    except Exception as error:
        return _unexpected(error)
    return _interrupted() if code == EXIT_INTERRUPTED else code


def interrupt(_: int, frame: FrameType | None) -> None:
    """The handler of Ctrl-C. Python drops what is raised while it releases the lock of an import: it comes again."""
    code = frame.f_code if frame else None
    if code and code.co_name == "cb" and "importlib" in code.co_filename:
        Timer(0.05, interrupt_main).start()
    else:
        raise KeyboardInterrupt


def _deliver() -> None:
    """Writes out what is buffered: a result that did not arrive is no result."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise MbpError(
            f"the output cannot be written: {error.strerror}", fix="make room where it goes"
        ) from error


def _code_of(end: SystemExit) -> int:
    """What typer made of the end of a command: it calls the cause the context of its SystemExit."""
    cause = end.__context__
    if end.code is None or end.code == EXIT_PASS:
        return EXIT_PASS
    if isinstance(cause, OSError) and not _is_of_rich(end):  # typer ends a broken pipe with 1
        raise cause
    if isinstance(cause, typer.Exit) and isinstance(end.code, int):
        return end.code
    return EXIT_COULD_NOT_RUN  # wrong usage, an abort at a question, an exit of a library


def _is_of_rich(end: SystemExit) -> bool:
    """Rich ends this way when the reader of a help text quits early, and has taken care of the stream."""
    trace = end.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith("rich.")


def _interrupted() -> int:
    _say("mbp: interrupted")
    return EXIT_INTERRUPTED


def _end(line: str) -> int:
    _say(line)
    try:
        sys.stdout.flush()
    except OSError:
        # Python would try once more while it ends, and end with its own exit code.
        _to_nowhere(sys.stdout)
    return EXIT_COULD_NOT_RUN


def _unexpected(error: Exception) -> int:
    """One line about the error, and one with the log that has its traceback."""
    trace = "".join(traceback.format_exception(error))
    code = _end(f"mbp: {message_of(error)}")
    try:
        _say(f"mbp: report this with {write_log(error, trace)}")
    except Exception:  # whatever is wrong with the folder: the traceback must not be lost
        _say(f"mbp: report this with the lines below; no log could be written\n{trace.rstrip()}")
    return code


def message_of(error: Exception) -> str:
    """An exception that is not our own, in one line: what happened and, where that is known, what to do."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    library = type(error).__module__.partition(".")[0].lstrip("_")
    message = " ".join(str(error).partition("\n")[0].split())[:LONGEST_MESSAGE]
    for kind, what, fix in LIBRARIES.get(library, ()):
        if kind in kinds:
            return f"{what}: {message}. Fix: {fix}"
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}. Fix: make room, or correct the path or its permissions"
    name = type(error).__name__
    return f"unexpected {name}: {message}" if message else f"unexpected {name}"


def write_log(error: Exception, trace: str) -> str:
    """Writes a traceback into the state folder; the path, as it is shown.

    The name is a digest of the error's kind and places: the same fault, met every minute, is one file.
    """
    from mbp.core.files import write_text
    from mbp.core.paths import project_root, shown, state_folder

    root = project_root()
    frames = traceback.extract_tb(error.__traceback__)
    places = sorted({f"{frame.filename}:{frame.lineno}" for frame in frames})
    digest = hashlib.sha256("\n".join([type(error).__name__, *places]).encode()).hexdigest()
    name = f"error_{digest[:12]}.log"
    path = state_folder(root).path / FOLDER / name
    try:
        installed = version("mbp-data-contracts")
    except PackageNotFoundError:
        installed = "not installed"
    lines = (
        f"at       {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        f"command  {' '.join(['mbp', *sys.argv[1:]])}",
        f"version  {installed}, Python {platform.python_version()}, {platform.platform()}",
    )
    write_text(path, "\n".join([*lines, "", trace]))
    path.chmod(0o600)  # messages of libraries quote values
    return shown(Path(path), root)


def _readers_left() -> bool:
    """Whether the reader of our output has left; then what is still buffered is dropped."""
    left = [stream for stream in (sys.stdout, sys.stderr) if _reader_left(stream)]
    for stream in left:
        _to_nowhere(stream)
    return bool(left)


def _to_nowhere(stream: TextIO) -> None:
    """What is still buffered goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _reader_left(stream: TextIO) -> bool:
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):  # no file behind it
        return False


def _say(line: str) -> None:
    with suppress(OSError):
        typer.echo("\n".join(map(printable, line.split("\n"))), err=True)
