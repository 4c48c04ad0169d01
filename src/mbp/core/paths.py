"""Where the parts of the project live on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mbp.core.errors import MbpError

ROOT_MARK = "dbt_project.yml"
DEFAULT = ".mbp"


LOCK = "release.lock"


def project_root(start: Path | None = None) -> Path:
    """The folder that holds dbt_project.yml: `MBP_PROJECT_DIR`, else upwards from `start`.

    Raises:
        MbpError: no such folder.
    """
    projects = dbt_projects(start)
    for folder in projects:
        if (folder / "contracts").is_dir() or "MBP_PROJECT_DIR" in os.environ:
            return folder
    raise MbpError(
        f"the dbt project {projects[0].name} has no contracts/", fix="run `mbp init` in it"
    )


def dbt_projects(start: Path | None = None) -> list[Path]:
    """The folders that hold dbt_project.yml, the nearest first: `MBP_PROJECT_DIR` alone, or those from `start` upwards.

    Raises:
        MbpError: no such folder.
    """
    configured = os.environ.get("MBP_PROJECT_DIR")
    if configured:
        root = Path(configured).resolve()
        if not (root / ROOT_MARK).is_file():
            raise MbpError(
                f"MBP_PROJECT_DIR has no {ROOT_MARK}", path=root, fix="point it at the repository"
            )
        return [root]
    here = (start or Path.cwd()).resolve()
    projects = [folder for folder in (here, *here.parents) if (folder / ROOT_MARK).is_file()]
    if not projects:
        fix = "run the command inside a dbt project or set MBP_PROJECT_DIR"
        raise MbpError(f"no {ROOT_MARK} here or above {here}", fix=fix)
    return projects


def inside(folder: Path, name: str, *, path: str | None = None, line: int | None = None) -> Path:
    """The file or folder `name` in `folder`, wherever its links lead: never one outside of it.

    Args:
        name: as a contract, a mapping or a command line gives it.
        path: the file that gives it, for the message; `line` likewise.

    Raises:
        MbpError: it is absolute, leads out of the folder, or is not a name of a file.
    """
    try:
        resolved = (folder / name).resolve()
        leaves = Path(name).is_absolute() or not resolved.is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a NUL, links in a circle
        leaves = True
    if leaves:
        fix = "name a file inside of it, without `..`"
        raise MbpError(f"{name!r} leads out of the folder", path=path, line=line, fix=fix)
    return resolved


def is_file_inside(folder: Path, name: str) -> bool:
    """`name` is a file in `folder` and does not lead out of it."""
    try:
        return inside(folder, name).is_file()
    except MbpError:
        return False


def shown(path: Path, root: Path) -> str:
    """`path` relative to the project where it is inside it: messages never name the machine."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return str(path)


@dataclass(frozen=True)
class StateFolder:
    """The folder `MBP_STATE_DIR` (relative to the project), else .mbp/."""

    path: Path

    @property
    def outbox(self) -> Path:
        """Messages that wait; those that were delivered lie in its folder sent/."""
        return self.path / "outbox"

    @property
    def incidents(self) -> Path:
        """One Markdown file per decision."""
        return self.path / "incidents"

    @property
    def lock(self) -> Path:
        """What blocks merges and deployments."""
        return self.path / LOCK


def state_folder(root: Path) -> StateFolder:
    """The state folder of the project."""
    return StateFolder(root / os.environ.get("MBP_STATE_DIR", DEFAULT))
