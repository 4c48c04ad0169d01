"""The machine and the environment: Python, locked versions, packages of dbt, disk, git, optional programs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

from mbp.cli.doctor.machine_checks import MachineCheck, blind, finding, good, note
from mbp.core import yaml_io
from mbp.core.errors import MbpError
from mbp.runs.dbt_process import target_path
from mbp.runs.preflight import packages_are_installed

LOCK = "requirements.lock"
SETUP = "run `make setup`"
MEBIBYTE = 2**20
# A build writes the warehouse and its artifacts anew beside the old ones. Before the first one nothing is there to go
# by: the sample made 13 MB of warehouse and 13 MB of artifacts of 2.1 MB of seeds (measured 2026-11-25).
FIRST_BUILD_PER_SEED_BYTE = 13
PROGRAM_SECONDS = 20.0
SHOWN = 3


def installed_version(name: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def free_bytes(folder: Path) -> int:
    """What is free on the disk of a folder."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True)
class Machine:
    """What is asked about the machine; the defaults ask this one."""

    version_of: Callable[[str], str | None] = installed_version
    free: Callable[[Path], int] = free_bytes
    program: Callable[[str], str | None] = shutil.which


def look(
    root: Path, machine: Machine, warehouse_file: Path | None, java: bool
) -> Iterator[MachineCheck]:
    """Every look at the machine.

    Args:
        warehouse_file: of the embedded engine; None for a server.
        java: whether the target needs it.
    """
    yield python(root)
    yield environment(root)
    yield locked(root, machine)
    yield dbt_version(root, machine)
    yield dbt_packages(root)
    yield disk(root, machine, warehouse_file)
    yield git(root, machine)
    yield _java(machine, java)
    yield chromium(machine)


def python(root: Path) -> MachineCheck:
    """The interpreter is one that the project allows."""
    running = ".".join(str(part) for part in sys.version_info[:3])
    with (root / "pyproject.toml").open("rb") as file:
        wanted = str(tomllib.load(file)["project"]["requires-python"])
    if running in SpecifierSet(wanted):
        return good("python", f"{running}, wanted {wanted}")
    return finding("python", f"{running}, wanted {wanted}", "PYTHON=/path/to/python3.11 make setup")


def environment(root: Path) -> MachineCheck:
    """A virtual environment of its own keeps the versions apart."""
    if sys.prefix == sys.base_prefix:
        return finding("environment", "no virtual environment", f"{SETUP}; then .venv/bin/mbp")
    if Path(sys.prefix).resolve() == (root / ".venv").resolve():
        return good("environment", ".venv of the project")
    return note("environment", f"an environment of your own: {sys.prefix}")


def locked(root: Path, machine: Machine) -> MachineCheck:
    """Every package has the version of the lock."""
    from mbp.release.security.lock import read_lock

    try:
        pins = [pinned for pinned in read_lock(root, LOCK) if pinned.wanted_here]
    except MbpError as error:
        return blind("locked versions", error.what, error.fix or "restore it from git")
    wrong = [
        f"{pin.name} {text or 'not installed'} (locked {pin.version})"
        for pin in pins
        if (text := machine.version_of(pin.name)) != pin.version
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        return finding("locked versions", f"{', '.join(wrong[:SHOWN])}{more}", SETUP)
    return good("locked versions", f"all {len(pins)} packages as in {LOCK}")


def dbt_version(root: Path, machine: Machine) -> MachineCheck:
    """dbt is one that the project allows."""
    text = machine.version_of("dbt-core")
    project = yaml_io.load(root / "dbt_project.yml", shown_as="dbt_project.yml")
    wanted = ",".join(str(one) for one in project.get("require-dbt-version") or [])
    if text is None:
        return finding("dbt", f"not installed, wanted {wanted}", SETUP)
    if text in SpecifierSet(wanted):
        return good("dbt", f"{text}, wanted {wanted}")
    return finding("dbt", f"{text}, wanted {wanted}", SETUP)


def dbt_packages(root: Path) -> MachineCheck:
    """The packages of packages.yml are linked."""
    if packages_are_installed(root):
        return good("dbt packages", "installed")
    return finding("dbt packages", "not installed, or older than packages.yml", "run `dbt deps`")


def disk(root: Path, machine: Machine, warehouse_file: Path | None) -> MachineCheck:
    """A build fits on the disks that it writes to."""
    artifacts = target_path(root)
    sizes = {root: _size(artifacts), Path(tempfile.gettempdir()): 0}
    if warehouse_file is not None:
        if warehouse_file.is_file():
            sizes[warehouse_file.parent] = sizes.get(warehouse_file.parent, 0) + _size(
                warehouse_file
            )
        else:
            sizes[root] += FIRST_BUILD_PER_SEED_BYTE * _size(root / "seeds")
    told = []
    for folder, needed in sizes.items():
        try:
            free = machine.free(folder)
        except OSError as error:
            return blind("disk", f"{folder}: {error.strerror}", "name a folder that is there")
        if free <= needed:
            what = (
                f"{folder}: {free / MEBIBYTE:,.0f} MiB free, a build needs {needed / MEBIBYTE:,.0f}"
            )
            return finding(
                "disk", what, "make room, or set MBP_DUCKDB_PATH, DBT_TARGET_PATH, TMPDIR"
            )
        told.append(f"{free / MEBIBYTE:,.0f} MiB free, {needed / MEBIBYTE:,.0f} needed")
    return good("disk", told[0])


def git(root: Path, machine: Machine) -> MachineCheck:
    """Evidence and the gate name a commit."""
    if machine.program("git") is None:
        return blind("git", "git is not installed", "install git: evidence names a commit")
    done = _run(["git", "-C", str(root), "status", "--porcelain"])
    if isinstance(done, str):
        return blind("git", done, "run `git status` and mend what it says")
    if done.returncode != 0:
        return note("git", "no repository", "clone it: evidence and the gate need a commit")
    changed = len(done.stdout.splitlines())
    if changed:
        return note("git", f"{changed} files changed or new", "commit them before you ask the gate")
    return good("git", "clean")


def _java(machine: Machine, needed: bool) -> MachineCheck:
    text = machine.program("java")
    if text is None and needed:
        return finding("java", "not installed, and this target needs it", "install Java 17")
    if text is None:
        return note("java", "not installed: needed for Spark only")
    done = _run([text, "-version"])
    if isinstance(done, str) or done.returncode != 0:
        why = done if isinstance(done, str) else "`java -version` fails"
        return blind("java", why, "mend the installation of Java, or take it off PATH")
    messages = (done.stderr or done.stdout).splitlines()
    return good("java", messages[0] if messages else text)


def chromium(machine: Machine) -> MachineCheck:
    """The tests of pages look through its eyes."""
    if machine.program("chromium") is None:
        return note("chromium", "not installed: the tests of pages are skipped")
    return good("chromium", "installed")


def _run(words: list[str]) -> subprocess.CompletedProcess[str] | str:
    """The program when it ended; why it did not."""
    try:
        return subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=PROGRAM_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{words[0]} does not answer ({type(error).__name__})"


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
