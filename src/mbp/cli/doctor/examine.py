"""One examination: what dbt checks (`dbt debug`), and what it cannot know of the machine and the server."""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from mbp.cli.doctor.machine import (
    SETUP,
    Examination,
    Machine,
    MachineCheck,
    blind,
    disk,
    finding,
    good,
    locked,
    note,
    postgres_checks,
    profile,
    programs,
)
from mbp.core.errors import MbpError
from mbp.core.reporting.progress import SILENT, Say
from mbp.runs.dbt_process import environment, run_dbt, target_name
from mbp.warehouse.profile import OWN, profile_name, read_target

STAMP = re.compile(r"^\d\d:\d\d:\d\d\s+", re.MULTILINE)
FAILED = re.compile(r"checks? failed:\n(.*?)(?:Check your database credentials|\Z)", re.DOTALL)
# Words of dbt's message -> the fix; the first match counts.
FIXES = {
    "password authentication failed": "check MBP_PG_USER and MBP_PG_PASSWORD",
    "no password supplied": "set MBP_PG_PASSWORD",
    "role": "check MBP_PG_ROLE, MBP_PG_USER and MBP_PG_DATABASE",
    "does not exist": "create it, or check MBP_PG_DATABASE and MBP_PG_USER",
    "Connection refused": "start the server, or check MBP_PG_HOST and MBP_PG_PORT",
    "lock": "wait until that process ends, or set MBP_DUCKDB_PATH to a file of yours",
    "not a valid DuckDB database": "restore it, or set MBP_DUCKDB_PATH to a new file and run `mbp build`",
    "Cannot open file": "set MBP_DUCKDB_PATH to a file of yours",
    "dbt version": SETUP,
}


def examine(
    root: Path, target: str | None, machine: Machine | None = None, say: Say = SILENT.say
) -> Examination:
    """Checks everything that a build on the target needs.

    Args:
        target: dbt target; `DBT_TARGET` or the profile's default without it.
        machine: how the machine is examined; this one without it.
    """
    machine = machine or Machine()
    say("checking the machine")
    checks = _guarded("locked versions", lambda: locked(root, machine))
    checks += _guarded("profile", lambda: profile(root))
    try:
        name, settings = read_target(root, target_name(root, target))
    except MbpError as error:
        message = f"{error.path}: {error.what}" if error.path else error.what
        checks.append(finding("target", message, error.fix or "correct it"))
        checks.append(blind("dbt debug", "there is no target", "fix that first"))
        return Examination(target or "no target", tuple(checks))
    file = root / str(settings["path"]) if settings.get("type") == "duckdb" else None
    spark = settings.get("type") == "spark"
    checks += _guarded("disk", lambda: disk(root, machine, file))
    checks += _guarded("programs", lambda: programs(machine, spark))
    if spark:  # dbt would start a session, which takes longer than everything else
        return Examination(name, tuple(checks))
    say(f"checking the warehouse of {name}")
    checks.append(_debug(root, name, settings, file))
    if file is not None and not file.exists():
        checks.append(note("duckdb file", f"{file.name} does not exist yet", "run `make build`"))
    if settings.get("type") == "postgres":
        checks += _guarded("server", lambda: postgres_checks(root, settings))
    return Examination(name, tuple(checks))


def _debug(root: Path, target: str, settings: Mapping[str, Any], file: Path | None) -> MachineCheck:
    """Profile, project, git and connection, by `dbt debug`."""
    messages = io.StringIO()
    trial = None
    with tempfile.TemporaryDirectory() as scratch:
        changes = {"DBT_TARGET_PATH": scratch, "DBT_LOG_PATH": scratch}
        if file is not None:
            # dbt debug makes a DuckDB file that is missing: it gets one beside it, which is removed again.
            trial = None if file.exists() else file.with_name(f".{file.name}.doctor")
            # Without retries: a file that cannot be opened is known at once.
            output = {**settings, "path": str(trial or file), "retries": None}
            profiles = {profile_name(root): {"target": target, "outputs": {target: output}}}
            (Path(scratch) / OWN).write_text(json.dumps(profiles), encoding="utf-8")
            changes["DBT_PROFILES_DIR"] = scratch
        try:
            with environment(changes), redirect_stderr(messages):
                outcome = run_dbt(root, ["debug"], target=target)
        finally:
            if trial:
                trial.unlink(missing_ok=True)
    if outcome.success:
        return good("dbt debug", "dbt, the profile, the project and the connection are in order")
    text = STAMP.sub("", messages.getvalue())
    reasons = FAILED.findall(text)
    message = " ".join((reasons[-1] if reasons else outcome.problem or text).split())
    message = message.removeprefix("dbt was unable to connect to the specified database. ")
    fix = next((fix for words, fix in FIXES.items() if words in message), None)
    return finding(
        "dbt debug", message, fix or f"run `dbt debug --target {target}`, or {SETUP[4:]}"
    )


def _guarded(name: str, check: Callable[[], Iterator[MachineCheck]]) -> list[MachineCheck]:
    """The checks as far as they got: one that failed hides none of the others."""
    results: list[MachineCheck] = []
    try:
        for result in check():
            results.append(result)
    except MbpError as error:
        place = f"{error.path}: " if error.path else ""
        results.append(blind(name, f"{place}{error.what}", error.fix or "fix what it names"))
    except OSError as error:
        results.append(
            blind(name, f"{type(error).__name__}: {error}", "restore the project's files")
        )
    return results
