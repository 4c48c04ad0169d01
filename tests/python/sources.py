"""The Python of the product and of its lab, for checks that read it as text."""

from __future__ import annotations

from pathlib import Path


def python_files(root: Path) -> dict[str, Path]:
    """Name (`mbp/core/files.py`, `lab/sample.py`) -> file, sorted by name."""
    found = {
        path.relative_to(base).as_posix(): path
        for base, folder in ((root / "src", root / "src"), (root, root / "lab"))
        for path in folder.rglob("*.py")
    }
    assert found, "no source was found"
    return dict(sorted(found.items()))
