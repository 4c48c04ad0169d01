"""Exchanges our own package dbt_expectations for the public one, and back.

Everything is exchanged or nothing: when the packages cannot be fetched, or lack a test that the project
uses, packages.yml, the lock and dbt_packages/ are what they were before, and the exit code is 2.

Sources: dbt's package documentation; packages/dbt_expectations/upstream.yml for what the public one needs.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from types import FrameType
from typing import Any

from mbp.core import yaml_io
from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_PASS, MbpError
from mbp.core.files import write_text
from mbp.core.paths import project_root
from mbp.runs.dbt_process import run_dbt

PACKAGE = "dbt_expectations"
OURS = f"packages/{PACKAGE}"
PACKAGES = "packages.yml"
LOCK = "package-lock.yml"
INSTALLED = "dbt_packages"
SET_ASIDE = "dbt_packages.before_swap"
MOST_LETTERS = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when the wanted package is in place, 2 when it could not be put there."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"example: scripts/swap_{PACKAGE} upstream; scripts/swap_{PACKAGE} ours",
    )
    parser.add_argument("to", choices=("upstream", "ours"), help="the package to use from now on")
    parser.add_argument(
        "--from",
        dest="folder",
        metavar="FOLDER",
        help="a copy of the public package on this machine, instead of the hub",
    )
    options = parser.parse_args(arguments)
    try:
        root = project_root(Path(__file__).parent)
        print(swap(root, options.to == "upstream", options.folder))
    except MbpError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    return EXIT_PASS


def swap(root: Path, to_upstream: bool, folder: str | None = None) -> str:
    """Puts the wanted package in place; what was done, in a sentence.

    Args:
        root: the dbt project.
        to_upstream: the public package, else ours.
        folder: a copy of the public package; None asks the package hub.

    Raises:
        MbpError: the project cannot be changed, or it was changed and is restored.
    """
    if not to_upstream and folder is not None:
        raise MbpError("--from names a public package", cure="leave it out: ours is in packages/")
    before = yaml_io.read(root / PACKAGES, shown_as=PACKAGES)
    after = exchanged(before, wanted_entry(root, to_upstream, folder))
    name = "the public package" if to_upstream else "our own package"
    if after == before:
        return f"{PACKAGES} names {name} already: nothing to do"
    if to_upstream:
        demand_variable(root)
    with restored_unless_done(root):
        write_text(root / PACKAGES, after)
        with tempfile.TemporaryDirectory() as scratch:
            dbt(root, Path(scratch), "deps")
            demand_installed(root, to_upstream)
            dbt(root, Path(scratch), "parse", "--no-partial-parse")
            text = (Path(scratch) / "target" / "manifest.json").read_text(encoding="utf-8")
        used = demand_known(json.loads(text))
    return (
        f"{PACKAGES} names {name}; it is installed and has all {used} tests that the project uses"
    )


def wanted_entry(root: Path, to_upstream: bool, folder: str | None) -> list[str]:
    """The entry of packages.yml without its indentation, line by line.

    Raises:
        MbpError: the folder holds no public package.
    """
    if not to_upstream:
        return [f"- local: {OURS}"]
    if folder is None:
        upstream = yaml_io.plain(yaml_io.load(root / OURS / "upstream.yml"))
        bounds = ", ".join(f'"{bound}"' for bound in upstream["version"])
        return [f"- package: {upstream['package']}", f"  version: [{bounds}]"]
    place = Path(folder).resolve()
    project = place / "dbt_project.yml"
    if not project.is_file() or yaml_io.load(project).get("name") != PACKAGE:
        raise MbpError(
            f"no package {PACKAGE} there: expected its dbt_project.yml",
            path=folder,
            cure="name the folder of the unpacked public package",
        )
    if place == (root / OURS).resolve():
        raise MbpError("this is our own package", path=folder, cure="name the public one")
    return [f"- local: {place}"]


def exchanged(text: str, entry: Sequence[str]) -> str:
    """packages.yml with `entry` in the place of the one that gives dbt_expectations.

    Raises:
        MbpError: no such entry, or several.
    """
    packages: Any = (yaml_io.loads(text, shown_as=PACKAGES) or {}).get("packages") or []
    found = [
        place
        for place, package in enumerate(packages)
        if re.split(r"[/\\]", str(package.get("package") or package.get("local")))[-1] == PACKAGE
    ]
    if len(found) != 1:
        raise MbpError(
            f"expected one entry for {PACKAGE}, found {len(found)}",
            path=PACKAGES,
            cure=f"give it the entry `- local: {OURS}`",
        )
    line, column = packages.lc.item(found[0])
    dash = column - len("- ")
    lines = text.splitlines(keepends=True)
    end = line + 1
    while end < len(lines) and lines[end].strip() and indentation(lines[end]) > dash:
        end += 1
    new = [f"{' ' * dash}{part}\n" for part in entry]
    return "".join([*lines[:line], *new, *lines[end:]])


def indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def demand_variable(root: Path) -> None:
    """The project sets the variable without which the public package stops.

    Raises:
        MbpError: it does not.
    """
    variable = yaml_io.load(root / OURS / "upstream.yml")["variable"]
    project = yaml_io.load(root / "dbt_project.yml", shown_as="dbt_project.yml")
    if variable not in (project.get("vars") or {}):
        raise MbpError(
            f"the public package needs the variable {variable}",
            path="dbt_project.yml",
            cure=f'add `"{variable}": UTC` under vars',
        )


@contextmanager
def restored_unless_done(root: Path) -> Iterator[None]:
    """The three places that a swap changes are as before when the block does not end well.

    Raises:
        MbpError: an earlier swap was killed before it could restore them.
    """
    installed, aside = root / INSTALLED, root / SET_ASIDE
    if aside.exists():
        raise MbpError(
            f"{SET_ASIDE}/ is left from a swap that was killed",
            cure=f"`git checkout {PACKAGES}`, remove {SET_ASIDE}/, then `dbt deps`",
        )
    kept = {name: read_bytes(root / name) for name in (PACKAGES, LOCK)}
    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        if installed.exists():
            installed.rename(aside)
        yield
    except BaseException:
        shutil.rmtree(installed, ignore_errors=True)
        if aside.exists():
            aside.rename(installed)
        for name, content in kept.items():
            if content is None:
                (root / name).unlink(missing_ok=True)
            elif read_bytes(root / name) != content:
                write_text(root / name, content.decode("utf-8"))
        raise
    else:
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        signal.signal(signal.SIGTERM, former)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def read_bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def dbt(root: Path, scratch: Path, command: str, *options: str) -> None:
    """One dbt command; of its talk only the reason of a failure is told.

    Raises:
        MbpError: it failed; the project is restored by the caller.
    """
    places = {"DBT_TARGET_PATH": str(scratch / "target"), "DBT_LOG_PATH": str(scratch / "logs")}
    talk = io.StringIO()
    with redirect_stderr(talk):
        outcome = run_dbt(root, [command, *options], changes=places, quiet=True)
    if not outcome.success:
        said = " ".join((outcome.problem or talk.getvalue()).split())
        reason = said.partition(" (Caused by")[0][:MOST_LETTERS]
        cure = "reach the package hub, or give a copy of the package by --from"
        if command != "deps":
            cure = f"make `dbt {command}` pass with our own package first"
        raise MbpError(f"dbt {command} failed: {reason}; everything is as before", cure=cure)


def demand_known(manifest: Mapping[str, Any]) -> int:
    """Every test of the package that the project uses is one that the package has; their number.

    dbt itself finds out only when it runs the test.

    Raises:
        MbpError: the package lacks one, or the project uses none.
    """
    used = {
        node["test_metadata"]["name"]
        for node in manifest["nodes"].values()
        if (node.get("test_metadata") or {}).get("namespace") == PACKAGE
    }
    if not used:
        raise MbpError(
            f"the project uses no test of {PACKAGE}; everything is as before",
            cure="run `dbt ls --resource-type test`: nothing was looked at",
        )
    lacking = sorted(
        name for name in used if f"macro.{PACKAGE}.test_{name}" not in manifest["macros"]
    )
    if lacking:
        raise MbpError(
            f"the package lacks {', '.join(lacking)}; everything is as before",
            cure=f"use tests that stand in {OURS}/upstream.yml",
        )
    return len(used)


def demand_installed(root: Path, upstream: bool) -> None:
    """What lies in dbt_packages/ is the wanted package: dbt's own word is not enough.

    Raises:
        MbpError: it is not there, or the other one.
    """
    place = root / INSTALLED / PACKAGE
    is_ours = place.resolve() == (root / OURS).resolve()
    if not (place / "dbt_project.yml").is_file() or is_ours == upstream:
        raise MbpError(
            f"dbt deps did not put the package into {INSTALLED}/; everything is as before",
            cure=f"run `dbt deps` and look into {INSTALLED}/",
        )


if __name__ == "__main__":
    sys.exit(main())
