"""Which source a measurement is of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mbp.contracts.registry.odcs_documents import git
from mbp.core.errors import MbpError
from mbp.core.paths import inside

# Signatures are given about a source; were they part of it, the first would void what it signs.
SIGNATURES = ("contracts/gates/signoffs/", "contracts/waivers/")


@dataclass(frozen=True)
class WorkingCopy:
    """The working copy.

    Attributes:
        commit: 40 hexadecimal digits of the commit that is checked out.
        clean: whether the working copy is that commit, except sign-offs and waivers; a file whose changes git ignores
            (assume-unchanged, skip-worktree) makes it unclean.
        digest: SHA-256 over path and content of every file that git tracks or would track,
            sign-offs and waivers aside.
    """

    commit: str
    clean: bool
    digest: str


def source_of(root: Path) -> WorkingCopy:
    """The source in the working copy now.

    Raises:
        MbpError: not a git repository, no commit yet, a file that cannot be read, or one whose content is not the
            project's: behind a link that leads out of it, or in a repository inside of it.
    """
    commit = git(root, "rev-parse", "HEAD").strip()
    changed = git(
        root,
        "status",
        "--porcelain=v1",
        "-z",
        "--untracked-files=no",
        "--ignore-submodules=none",
        "--",
        ".",
    )
    # With a letter before each path: lower case for a file whose changes git is configured to ignore, S likewise.
    tracked = git(root, "ls-files", "-z", "-v", "--cached", "--", ".")
    others = list(_counted(untracked(root)))
    hidden = [entry for entry in tracked.split("\0") if entry[:1] == "S" or entry[:1].islower()]
    names = _counted(entry[2:] for entry in tracked.split("\0"))
    return WorkingCopy(
        commit,
        not others
        and not any(_counted(entry[2:] for entry in hidden))
        and not any(_counted(_changed_paths(changed))),
        _digest(root, sorted({*names, *others})),
    )


def untracked(root: Path) -> list[str]:
    """Files that git would track, by the project's own .gitignore alone: what one machine ignores (info/exclude,
    core.excludesFile) is built, and released, too.

    Raises:
        MbpError: not a git repository.
    """
    ignored = "--exclude-per-directory=.gitignore"
    names = git(root, "ls-files", "-z", "--others", ignored, "--", ".")
    return [name for name in names.split("\0") if name]


def _digest(root: Path, names: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        path = root / name
        content = b""
        if path.is_symlink():
            inside(root, name, path=name)
            content = path.readlink().as_posix().encode() + b"\0"
        elif path.is_dir():
            raise MbpError(
                "a separate repository: its content is not in the source",
                path=name,
                fix="copy its files into the project, or move it out",
            )
        if path.is_file():
            try:
                content += path.read_bytes()
            except OSError as error:
                raise MbpError(
                    f"cannot be read: {error.strerror}",
                    path=name,
                    fix="make it readable for your user",
                ) from error
        elif not path.is_symlink():
            continue  # deleted in the working copy
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


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
