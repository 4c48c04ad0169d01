"""How much a pull request builds: what it modified, on a copy of main's warehouse, or everything.

dbt cannot defer across DuckDB files, so the stored build of main holds the warehouse itself, and the modified part
is built on a copy of it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from mbp.contracts.registry.odcs_documents import git
from mbp.core.errors import MbpError
from mbp.release.ci.step_reports import MANIFEST, base_problem
from mbp.runs.dbt_process import demand, run_dbt
from mbp.runs.preflight import install_packages

WAREHOUSE = "mbp.duckdb"
CONTRACTS = "contracts"


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
