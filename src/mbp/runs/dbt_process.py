"""dbt in this process: no second start of the interpreter, and its talk kept off stdout."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stdout
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.files import atomic_path
from mbp.runs import guard
from mbp.warehouse.profile import profiles_file, read_target

PROFILES = "profiles.yml"
# What dbt read of a project before: it reads only what changed since.
EARLIER_PARSE = "partial_parse.msgpack"
# Commands that leave results of nodes.
RUNNING = ("build", "run", "seed", "snapshot", "test")


@dataclass(frozen=True)
class DbtOutcome:
    """What one dbt command came to.

    Attributes:
        arguments: the command as given, without the options that the project always adds.
        success: dbt's own verdict: False when a node failed or errored.
        result: dbt's result object; its class depends on the command, None when it raised.
        problem: the exception's text when dbt could not run at all, else None.
        seconds: wall clock.
    """

    arguments: tuple[str, ...]
    success: bool
    result: Any
    problem: str | None
    seconds: float


def target_name(root: Path, target: str | None) -> str:
    """The dbt target: the option, else `DBT_TARGET`, else the default of the profile.

    Raises:
        MbpError: a target that the profile does not have.
    """
    return read_target(root, target)[0]


def target_path(root: Path) -> Path:
    """The folder of dbt's artifacts: `DBT_TARGET_PATH` (relative to the project), else target/."""
    return root / os.environ.get("DBT_TARGET_PATH", "target")


def profiles_folder(root: Path) -> Path:
    """The folder whose profiles.yml dbt is to read.

    Without a profiles.yml of the user the example is copied into the artifacts folder, because
    dbt accepts no other file name.
    """
    path = profiles_file(root)
    if path.name == PROFILES:
        return path.parent
    folder = target_path(root) / "profiles"
    with atomic_path(folder / PROFILES) as copy:  # another command may be reading it
        shutil.copyfile(path, copy)
    return folder


def _earlier_parse(root: Path, artifacts: Path | None) -> dict[str, str]:
    """Where dbt finds what it read before: a new folder of artifacts has nothing yet, the project's own may."""
    shared = target_path(root) / EARLIER_PARSE
    if not artifacts or (artifacts / "target" / EARLIER_PARSE).exists() or not shared.exists():
        return {}
    return {"DBT_PARTIAL_PARSE_FILE_PATH": str(shared)}


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """`os.environ` with `changes` inside the block; dbt reads its settings from there."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _release_duckdb() -> None:
    """Closes the file that dbt-duckdb keeps open until the process ends: others must get at it."""
    module = sys.modules.get("dbt.adapters.duckdb.connections")
    manager = getattr(module, "DuckDBConnectionManager", None)
    held = getattr(manager, "_ENV", None)
    if manager is not None and held is not None:
        held.close()
        manager._ENV = None


def demand(outcome: DbtOutcome) -> DbtOutcome:
    """`outcome` when it is a success.

    Raises:
        MbpError: dbt could not run it; names the command and dbt's reason.
    """
    if not outcome.success:
        reason = " ".join((outcome.problem or "see its messages above").split())
        raise MbpError(
            f"dbt {outcome.arguments[0]} failed: {reason}",
            fix=f"make `dbt {outcome.arguments[0]}` pass first",
        )
    return outcome


def _stamped(manifest: Any) -> Callable[[Any], None]:
    """Gives a manifest that was read before the id of the run: its artifacts are then of one invocation."""

    def stamp(event: Any) -> None:
        manifest.metadata.invocation_id = event.info.invocation_id

    return stamp


def _counting(count: Callable[[int, int], None]) -> Callable[[Any], None]:
    """Reports each node that ended; nodes end in another order than they began."""
    done = 0

    def ended(event: Any) -> None:
        nonlocal done
        total = getattr(event.data, "total", 0) or getattr(event.data, "num_models", 0)
        if total and event.info.name.endswith(("Result", "SkippingDetails")):
            done += 1
            count(done, total)

    return ended


def log_file() -> str:
    """Where dbt writes everything that it says, for a reader."""
    return str(Path(os.environ.get("DBT_LOG_PATH") or "logs") / "dbt.log")


def run_dbt(
    root: Path,
    arguments: Sequence[str],
    *,
    target: str | None = None,
    artifacts: Path | None = None,
    changes: Mapping[str, str] | None = None,
    manifest: Any = None,
    quiet: bool = False,
    count: Callable[[int, int], None] | None = None,
) -> DbtOutcome:
    """Runs one dbt command.

    Args:
        root: the dbt project.
        arguments: the command and its own options, e.g. ["build", "--full-refresh"].
        target: dbt target; `DBT_TARGET` or the default of the profile without it.
        artifacts: folder for target files and logs instead of the project's own.
        changes: environment variables for this command only.
        manifest: a parsed manifest (`result` of `parse`); without it dbt reads what changed of the project.
        quiet: only errors are printed.
        count: receives how many nodes of how many are done.

    Raises:
        SecondBuildError: the command builds, and so does another process.
        KeyboardInterrupt: it came while dbt ran, and dbt has ended its nodes.
    """
    from dbt.cli.main import dbtRunner

    guard.install()
    root, artifacts = root.resolve(), artifacts and artifacts.resolve()
    profiles = profiles_folder(root)
    standing = ["--no-send-anonymous-usage-stats", "--no-use-colors", "--log-format", "text"]
    if quiet:
        standing.append("--quiet")
    places = ["--project-dir", str(root), "--profiles-dir", str(profiles)]
    if arguments[0] != "deps":
        places += ["--target", target_name(root, target)]
    if artifacts is not None:
        places += [
            "--target-path",
            str(artifacts / "target"),
            "--log-path",
            str(artifacts / "logs"),
        ]
    started = time.perf_counter()
    # Relative paths of a profile begin at the project, for `mbp` and for dbt.
    with (
        environment({**_earlier_parse(root, artifacts), **(changes or {})}),
        chdir(root),
        redirect_stdout(sys.stderr),
        without_traceback(),
    ):
        try:
            # Behind the command's words, so that an option without its value does not take a place for it.
            words = list(takewhile(lambda word: not word.startswith("-"), arguments))
            callbacks = [_stamped(manifest)] if manifest and words[0] in RUNNING else []
            if count:
                callbacks.append(_counting(count))
            given = [*standing, *words, *places, *arguments[len(words) :]]
            outcome = dbtRunner(manifest, callbacks).invoke(given)
        finally:
            _release_duckdb()
    problem = None
    # dbt's runner gives back even what is to end the process.
    if isinstance(outcome.exception, KeyboardInterrupt | SystemExit):
        raise KeyboardInterrupt from outcome.exception
    refused = getattr(outcome.exception, "__cause__", None)
    if isinstance(refused, guard.SecondBuildError):
        raise refused
    if outcome.exception is not None:
        problem = str(outcome.exception).strip() or type(outcome.exception).__name__
    return DbtOutcome(
        arguments=tuple(arguments),
        success=bool(outcome.success),
        result=outcome.result,
        problem=problem,
        seconds=time.perf_counter() - started,
    )


@contextmanager
def without_traceback() -> Iterator[None]:
    """dbt inside of the block says of an interrupt only that it came; the traceback of any other error stays."""
    from dbt.cli import requires
    from dbt.events.types import MainEncounteredError, MainStackTrace

    module: Any = requires
    fire_event = module.fire_event

    def filtered(event: Any, *given: Any, **named: Any) -> None:
        ends = isinstance(sys.exc_info()[1], KeyboardInterrupt | SystemExit)
        if not (ends and isinstance(event, MainEncounteredError | MainStackTrace)):
            fire_event(event, *given, **named)

    module.fire_event = filtered
    try:
        yield
    finally:
        module.fire_event = fire_event
