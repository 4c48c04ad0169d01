"""The steps of a pull request: how much is built, the rules after a slim build, the record for the comment."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.registry.odcs_documents import git
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.schema_check import did_you_mean
from mbp.core.verdict import Verdict
from mbp.quality import failures
from mbp.quality.failures import Failures, look_at_last_run
from mbp.quality.rule_findings import collect
from mbp.release.ci.step_reports import (
    COMMIT_VARIABLE,
    MANIFEST,
    OUTPUT_LINES,
    OUTPUT_WIDTH,
    RUN_RESULTS,
    STEPS,
    CiStep,
    UnseenError,
    base_problem,
    read_manifest,
)
from mbp.runs.artifacts import SELECTING, read_artifact
from mbp.runs.dbt_process import demand, run_dbt, target_path
from mbp.runs.preflight import install_packages

DBT_VARIABLE = f"DBT_ENV_CUSTOM_ENV_{COMMIT_VARIABLE}"
WAREHOUSE = "mbp.duckdb"
CONTRACTS = "contracts"
# What scripts/ci/build.sh selects for a slim build.
MODIFIED = "state:modified+"


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


@dataclass(frozen=True)
class BuildPlan:
    """What is built.

    Attributes:
        mode: 'slim' or 'full'.
        reason: why, for the reader of the log.
        modified: unique ids of what dbt takes for modified; None where nothing can be compared with.
    """

    mode: str
    reason: str
    modified: tuple[str, ...] | None


def make_plan(root: Path, base_folder: Path, base: str) -> BuildPlan:
    """Decides. Anything that prevents a slim build makes a full one.

    dbt cannot defer across DuckDB files, so the stored build of main holds the warehouse itself, and the modified part
    is built on a copy of it.

    Raises:
        MbpError: git or dbt cannot tell what changed.
    """
    problem = base_problem(base_folder, base)
    if problem is None and not (base_folder / MANIFEST).is_file():
        problem = "the stored build of the base has no manifest"
    if problem is not None:
        return BuildPlan("full", problem, None)
    modified = _modified(root, base_folder)
    if not (base_folder / WAREHOUSE).is_file():
        return BuildPlan("full", "the stored build of the base has no warehouse", modified)
    if _contracts_changed(root, base):
        return BuildPlan("full", "a contract changes", modified)
    if not modified:
        return BuildPlan(
            "full", "dbt sees nothing modified, and nothing built is nothing checked", modified
        )
    return BuildPlan("slim", f"{len(modified)} nodes are modified", modified)


def copy_warehouse(base_folder: Path, path: Path) -> None:
    """Puts main's warehouse where the build writes. Its file name is that of main: views hold it.

    Raises:
        MbpError: another file name, or the file cannot be copied.
    """
    if path.name != WAREHOUSE:
        raise MbpError(f"the warehouse is named {path.name}", fix=f"name it {WAREHOUSE}")
    try:
        shutil.copyfile(base_folder / WAREHOUSE, path)
    except OSError as error:
        raise MbpError(
            f"cannot copy the warehouse of main: {error.strerror}",
            path=path,
            fix="make room, and make it readable for your user",
        ) from error


def _modified(root: Path, base_folder: Path) -> tuple[str, ...]:
    install_packages(root)
    arguments = ["ls", "--select", "state:modified", "--state", str(base_folder)]
    # Without the tests that only depend on what is modified.
    arguments += ["--indirect-selection", "empty", "--output", "json", "--output-keys", "unique_id"]
    outcome = demand(run_dbt(root, arguments, quiet=True))
    return tuple(sorted({str(json.loads(line)["unique_id"]) for line in outcome.result}))


def _contracts_changed(root: Path, base: str) -> bool:
    changed = git(root, "diff", "--name-only", base, "--", CONTRACTS)
    added = git(root, "ls-files", "--others", "--exclude-standard", "--", CONTRACTS)
    return bool(changed.strip() or added.strip())


@dataclass(frozen=True)
class RulesAfterBuild:
    """What the last run found, and the rules that hold because nothing under them changed."""

    failures: Failures
    carried_over: tuple[str, ...]

    @property
    def broken(self) -> bool:
        """An error rule does not hold. A warning reports; it does not block."""
        return any(finding.verdict == Verdict.FAIL for finding, _ in self.failures.findings)

    @property
    def blind(self) -> bool:
        """Something was not checked, or the results do not count."""
        return bool(self.failures.notes) or any(
            not finding.holds and not finding.is_broken for finding, _ in self.failures.findings
        )

    def document(self) -> dict[str, Any]:
        """As JSON: that of `mbp quality failures`, and the rules that were carried over."""
        return {**failures.as_json(self.failures), "carried_over": list(self.carried_over)}


def look(root: Path, base_folder: Path | None, base: str, limit: int) -> RulesAfterBuild:
    """The rules of the last run.

    Args:
        base_folder: the stored build of main; nothing is carried over without one of the right commit.
        limit: most rows shown of one finding.

    Raises:
        MbpError: there is no run to read.
    """
    failures = look_at_last_run(root, limit=limit)
    if failures.partial and not _slim(root, base_folder, base):
        failures = replace(failures, notes=[*failures.notes, *failures.partial])
    left = [finding.rule_id for finding, _ in failures.findings if finding.is_not_run]
    holding = _holding_on_main(root, base_folder, base) if left else set()
    carried = tuple(sorted(set(left) & holding))
    kept = [pair for pair in failures.findings if pair[0].rule_id not in carried]
    return RulesAfterBuild(replace(failures, findings=kept), carried)


def _slim(root: Path, base_folder: Path | None, base: str) -> bool:
    """The run left out what did not change since a stored build of main, and nothing else.

    Raises:
        MbpError: there are no results.
    """
    if base_folder is None or base_problem(base_folder, base) is not None:
        return False
    arguments = read_artifact(target_path(root), RUN_RESULTS, root).get("args") or {}
    others = [name for name in SELECTING if name != "select" and arguments.get(name)]
    return arguments.get("select") == [MODIFIED] and not others


def _holding_on_main(root: Path, base_folder: Path | None, base: str) -> set[str]:
    if base_folder is None or base_problem(base_folder, base) is not None:
        return set()
    try:
        manifest, results = (
            read_manifest(base_folder, base, name) for name in (MANIFEST, RUN_RESULTS)
        )
    except UnseenError:
        return set()
    for group in ("nodes", "unit_tests"):
        for unique_id, node in manifest.get(group, {}).items():
            node.setdefault("unique_id", unique_id)
    verdicts = collect(manifest, results, all_rules(load_contracts(root)))
    return {finding.rule_id for finding in verdicts if finding.holds}
