"""Contracts as plain ODCS documents: of the working tree, of a git commit, of a file."""

from __future__ import annotations

import subprocess
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from mbp.contracts.contract_file import SUFFIX
from mbp.contracts.contract_loading import FOLDER
from mbp.contracts.standards import check_odcs
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.yaml_io import loads, plain, read

GIT_SECONDS = 30


def working(root: Path) -> dict[str, dict[str, Any]]:
    """Dataset -> contract of the working tree, each valid against the ODCS schema.

    Raises:
        MbpError: no contract at all, or one that cannot be read.
    """
    results: dict[str, dict[str, Any]] = {}
    for path in sorted((root / FOLDER).glob(f"*{SUFFIX}")):
        results[path.name.removesuffix(SUFFIX)] = from_file(path, root)
    if not results:
        raise MbpError(
            "no contract: nothing to check", path=FOLDER, fix=f"add <dataset>{SUFFIX} files"
        )
    return results


def from_file(path: Path, root: Path) -> dict[str, Any]:
    """The contract in a YAML or JSON file, a published version included.

    Raises:
        MbpError: it cannot be read, or is no ODCS contract.
    """
    name = shown(path, root)
    return deepcopy(_contract(read(path, shown_as=name), name))


@lru_cache(maxsize=64)
def _contract(text: str, name: str) -> dict[str, Any]:
    """Kept by content: a command asks for the same contract more than once, and YAML with places is slow."""
    document = loads(text, shown_as=name)
    if isinstance(document, dict) and "contract" in document and "subject" in document:
        document = document["contract"]
    results: dict[str, Any] = check_odcs(document, name)
    return results


def at_ref(root: Path, ref: str) -> dict[str, dict[str, Any]]:
    """Dataset -> contract as committed at a git ref.

    Raises:
        MbpError: no such ref, or no contract in it.
    """
    names = git(root, "ls-tree", "--name-only", f"{ref_of(ref)}:./{FOLDER}").splitlines()
    results: dict[str, dict[str, Any]] = {}
    for name in names:
        if name.endswith(SUFFIX):
            text = git(root, "show", f"{ref}:./{FOLDER}/{name}")
            place = f"{ref}:{FOLDER}/{name}"
            results[name.removesuffix(SUFFIX)] = plain(loads(text, shown_as=place))
    if not results:
        raise MbpError(f"{ref} has no contract in {FOLDER}", fix="name a ref with contracts")
    return results


def ref_of(text: str) -> str:
    """`text`, when git cannot take it for an option.

    Raises:
        MbpError: it can.
    """
    if text.startswith("-"):
        raise MbpError(f"no git ref: {text!r}", fix="name a branch, a tag or a commit")
    return text


def git(root: Path, *arguments: str) -> str:
    """What git answers.

    Raises:
        MbpError: there is no git, or it refuses.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MbpError(f"git could not be run: {error}", fix="install git") from error
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()
        fix = "run it in the repository, with a ref that exists"
        raise MbpError(f"git {arguments[0]}: {reason[0] if reason else 'failed'}", fix=fix)
    return done.stdout
