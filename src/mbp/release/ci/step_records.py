"""Runs one step of a pull request and leaves the record that the comment reads."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.schema_check import did_you_mean
from mbp.release.ci.step_reports import (
    COMMIT_VARIABLE,
    MANIFEST,
    OUTPUT_LINES,
    OUTPUT_WIDTH,
    RUN_RESULTS,
    STEPS,
    CiStep,
)
from mbp.runs.dbt_process import target_path

DBT_VARIABLE = f"DBT_ENV_CUSTOM_ENV_{COMMIT_VARIABLE}"


def step_named(name: str) -> CiStep:
    """The step of that name.

    Raises:
        MbpError: there is none.
    """
    steps = {step.name: step for step in STEPS}
    if name not in steps:
        raise MbpError(f"no step {name!r}", fix=did_you_mean(name, steps))
    return steps[name]


def run_step(
    root: Path,
    folder: Path,
    step: CiStep,
    words: Sequence[str],
    commit: str,
    base: str,
    say: Callable[[str], None],
) -> int:
    """Runs the command, shows what it prints, and leaves the record; its exit code.

    The command may write the report of its step. The record of one that failed has its last lines.

    Raises:
        MbpError: there is no such command.
    """
    folder = root / folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in (step.report, step.record):
        (folder / name).unlink(missing_ok=True)
    started = time.monotonic()
    tail: deque[str] = deque(maxlen=OUTPUT_LINES)
    try:
        with subprocess.Popen(
            list(words),
            cwd=root,
            # A manifest that was read in part keeps the commit of the whole one.
            env={**os.environ, DBT_VARIABLE: commit, "DBT_PARTIAL_PARSE": "false"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as running:
            for line in running.stdout or ():
                say(line.rstrip("\n"))
                if line.strip():
                    tail.append(line.strip()[:OUTPUT_WIDTH])
    except OSError as error:
        raise MbpError(
            f"{words[0]} cannot be run: {error.strerror}", fix="name a command"
        ) from error
    code = running.returncode if running.returncode >= 0 else 128 - running.returncode
    for name in (MANIFEST, RUN_RESULTS) if step.name == "build" else ():
        artifact = target_path(root) / name
        if artifact.is_file():
            (folder / name).write_bytes(artifact.read_bytes())
    report = folder / step.report
    record = {
        "step": step.name,
        "commit": commit,
        "base": base,
        "exit_code": code,
        "output": list(tail) if code else [],
        "milliseconds": int(1000 * (time.monotonic() - started)),
        "report_sha256": hashlib.sha256(report.read_bytes()).hexdigest()
        if report.is_file()
        else "",
    }
    write_text(folder / step.record, json.dumps(record) + "\n")
    return code
