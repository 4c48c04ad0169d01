"""Where the parts of the project live on disk."""

from __future__ import annotations

import os
from pathlib import Path

from mbp.errors import MbpError

ROOT_MARK = "dbt_project.yml"


def project_root(start: Path | None = None) -> Path:
    """The folder that holds dbt_project.yml: `MBP_PROJECT_DIR`, else upwards from `start`.

    Raises:
        MbpError: no such folder.
    """
    configured = os.environ.get("MBP_PROJECT_DIR")
    if configured:
        root = Path(configured).resolve()
        if not (root / ROOT_MARK).is_file():
            raise MbpError(
                f"MBP_PROJECT_DIR has no {ROOT_MARK}", path=root, cure="point it at the repository"
            )
        return root
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / ROOT_MARK).is_file() and (folder / "contracts").is_dir():
            return folder
    raise MbpError(
        f"no {ROOT_MARK} beside contracts/ here or above {here}",
        cure="run the command inside the repository or set MBP_PROJECT_DIR",
    )


def shown(path: Path, root: Path) -> str:
    """`path` relative to the project where it lies inside it: messages never name the machine."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return str(path)
