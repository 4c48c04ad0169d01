"""Which source and which data a measurement is of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mbp.errors import MbpError
from mbp.registry.documents import git

if TYPE_CHECKING:
    from mbp.warehouse import Warehouse

# Signatures are given about a source; were they part of it, the first would void what it signs.
SIGNATURES = ("contracts/gates/signoffs/", "contracts/waivers/")


@dataclass(frozen=True)
class Source:
    """The working copy.

    Attributes:
        commit: 40 hexadecimal digits of the commit that is checked out.
        clean: whether the working copy is that commit, sign-offs and waivers aside.
        digest: SHA-256 over path and content of every file that git tracks or would track,
            sign-offs and waivers aside.
    """

    commit: str
    clean: bool
    digest: str


def source_of(root: Path) -> Source:
    """The source as it lies in the working copy now.

    Raises:
        MbpError: not a git repository, no commit yet, or a file that cannot be read.
    """
    commit = git(root, "rev-parse", "HEAD").strip()
    changed = git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--", ".")
    names = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    return Source(
        commit,
        not any(_counted(_changed_paths(changed))),
        _digest(root, sorted(set(_counted(names.split("\0"))))),
    )


def data_state(root: Path, warehouse: Warehouse) -> str:
    """SHA-256 over rows and content of the public datasets, whatever the order of their rows.

    Another row, or another value in one, is another state; so is another release of the engine.

    Raises:
        MbpError: a public dataset that is not there.
    """
    # Who only asks for the source needs no engine.
    import duckdb
    import psycopg2

    from mbp.contracts import load_contracts
    from mbp.degrade.engine import LIVE, fingerprint

    told = hashlib.sha256()
    for contract in sorted(load_contracts(root), key=lambda one: one.dataset):
        try:
            rows, content = fingerprint(warehouse, LIVE, contract.dataset)
        except (duckdb.Error, psycopg2.Error) as error:
            what = f"{LIVE}.{contract.dataset} cannot be read: {str(error).splitlines()[0]}"
            raise MbpError(what, cure="run `mbp build`") from error
        told.update(f"{contract.dataset}\0{rows}\0{content}\n".encode())
    return told.hexdigest()


def _digest(root: Path, names: Iterable[str]) -> str:
    told = hashlib.sha256()
    for name in names:
        path = root / name
        if path.is_symlink():
            content = path.readlink().as_posix().encode()
        elif path.is_file():
            try:
                content = path.read_bytes()
            except OSError as error:
                raise MbpError(f"cannot be read: {error.strerror}", path=name) from error
        else:
            continue  # deleted in the working copy
        told.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return told.hexdigest()


def _counted(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if name and not name.startswith(SIGNATURES))


def _changed_paths(status: str) -> Iterator[str]:
    """Paths of `git status --porcelain -z`; a rename is followed by its old path."""
    entries = iter(status.split("\0"))
    for entry in entries:
        if entry:
            yield entry[3:]
            if entry[0] in "RC":
                yield next(entries, "")
