"""One examination: the machine, the profile, and then the warehouse that the profile leads to."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mbp.cli.doctor import machine as machines
from mbp.cli.doctor.machine import SETUP, Machine
from mbp.cli.doctor.machine_checks import Examination, MachineCheck, blind, finding, good, note
from mbp.cli.doctor.servers import look_at_duckdb, look_at_postgres
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.reporting.progress import SILENT, Say
from mbp.runs.dbt_process import TARGETS
from mbp.warehouse.profile import EXAMPLE, OWN, is_copy_of_example, profiles_file, read_target

NEEDS_JAVA = ("spark",)
ANSWER_SECONDS = 5.0


def examine(
    root: Path, target: str | None, machine: Machine | None = None, say: Say = SILENT.say
) -> Examination:
    """Looks at everything that a build on the target needs.

    Args:
        target: dbt target; `DBT_TARGET` or the profile's default without it.
        machine: what is asked about the machine; this one without it.
    """
    profile, name, settings = _profile(root, target)
    engine = str(settings.get("type")) if settings else ""
    file = root / str(settings["path"]) if settings and engine == "duckdb" else None
    say("looking at the machine")
    checks = [
        *_guarded(
            "machine", lambda: machines.look(root, machine or Machine(), file, engine in NEEDS_JAVA)
        ),
        *profile,
    ]
    if settings is None:
        checks.append(blind("warehouse", "the profile does not lead to one", "mend that first"))
    else:
        say(f"looking at the warehouse of {name}")
        checks += _guarded("warehouse", lambda: _warehouse(root, engine, settings, file))
    return Examination(name, tuple(checks))


def _profile(
    root: Path, target: str | None
) -> tuple[list[MachineCheck], str, dict[str, Any] | None]:
    try:
        path = profiles_file(root)
    except MbpError as error:
        message = f"{error.path}: {error.what}" if error.path else error.what
        fix = error.fix or f"restore {EXAMPLE}"
        return [finding("profile", message, fix)], target or "no target", None
    where = shown(path, root)
    unsafe = _profile_for_dbt(root)
    seen = unsafe or (
        note("profile", f"{where}, as there is no profiles.yml of yours")
        if path.name == EXAMPLE
        else good("profile", where)
    )
    try:
        name, settings = read_target(root, target)
    except MbpError as error:
        fix = error.fix or "correct it"
        return [seen, finding("target", error.what, fix)], target or "no target", None
    if name not in TARGETS:
        fix = f"use one of {', '.join(TARGETS)}"
        return [seen, finding("target", f"{name} is not one that mbp works with", fix)], name, None
    return (
        [seen, good("target", f"{name}, an engine of type {settings.get('type')}")],
        name,
        settings,
    )


def _profile_for_dbt(root: Path) -> MachineCheck | None:
    """What is wrong with the file that `dbt` reads by itself; None when it is in order, or somebody's own."""
    own, example = root / OWN, root / EXAMPLE
    if not (own.is_file() and example.is_file()):
        return None
    if own.samefile(example):
        what = f"{OWN} is a link to the committed {EXAMPLE}: who edits one overwrites the other"
        return finding("profile", what, SETUP)
    if is_copy_of_example(own) and not own.read_bytes().endswith(b"\n" + example.read_bytes()):
        what = f"{OWN} is a copy of an older {EXAMPLE}: `dbt` reads the copy, `mbp` the example"
        return finding("profile", what, SETUP)
    return None


def _warehouse(
    root: Path, engine: str, settings: dict[str, Any], file: Path | None
) -> Iterator[MachineCheck]:
    if file is not None:
        yield from look_at_duckdb(file)
    elif engine == "postgres":
        yield from look_at_postgres(root, settings)
    elif settings.get("method") == "session":
        # Its host is a word that dbt-spark wants to see; Spark starts inside of the build.
        yield _spark_session()
    elif settings.get("host"):
        yield _answers(str(settings["host"]), int(settings.get("port") or 0))
    else:
        yield note(
            "warehouse", f"{engine} starts with the build: nothing is there to look at before"
        )


def _spark_session() -> MachineCheck:
    """The wheel that starts Spark in the process of dbt."""
    from importlib.util import find_spec

    if find_spec("pyspark") is None:
        return finding(
            "spark", "pyspark is not installed", "install the extra `spark`: docs/scale.md"
        )
    return good("spark", "pyspark is installed; Spark starts with the build")


def _answers(host: str, port: int) -> MachineCheck:
    """Somebody listens there."""
    try:
        socket.create_connection((host, port), ANSWER_SECONDS).close()
    except OSError as error:
        return finding("server", f"{host}:{port}: {error}", "start it, or correct the profile")
    return good("server", f"{host}:{port} answers")


def _guarded(name: str, look: Callable[[], Iterator[MachineCheck]]) -> list[MachineCheck]:
    """The checks as far as they got: one that could not look hides none that did."""
    machine_checks: list[MachineCheck] = []
    try:
        for machine_check in look():
            machine_checks.append(machine_check)
    except MbpError as error:
        place = f"{error.path}: " if error.path else ""
        machine_checks.append(
            blind(name, f"{place}{error.what}", error.fix or "mend what it names")
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        machine_checks.append(
            blind(name, f"{type(error).__name__}: {error}", "restore the project's files")
        )
    return machine_checks
