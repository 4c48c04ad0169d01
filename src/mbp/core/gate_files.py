"""The gates of a project: which there are, without reading what they ask."""

from __future__ import annotations

import re
from pathlib import Path

from mbp.core.errors import MbpError

FOLDER = "contracts/gates"
NAMED = re.compile(r"^gate: *['\"]?([\w-]+)", re.MULTILINE)


def gates(root: Path) -> dict[str, str]:
    """Name -> file of each gate of the project, by file."""
    files: dict[str, str] = {}
    for path in sorted((root / FOLDER).glob("*.yaml")):
        name = gate_of(path.read_text(encoding="utf-8", errors="replace"))
        if name:
            files.setdefault(name, f"{FOLDER}/{path.name}")
    return files


def gate_of(text: str) -> str | None:
    """The gate that a file defines; None when it is another file."""
    named = NAMED.search(text)
    return named[1] if named else None


def first_gate(root: Path, name: str | None) -> str:
    """The gate of that name; without one the first of the project.

    Raises:
        MbpError: the project has no gate.
    """
    known = name or next(iter(gates(root)), None)
    if known is None:
        raise MbpError("no gate", path=FOLDER, fix="write its file, or run `mbp init`")
    return known
