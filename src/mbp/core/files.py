"""Files read with a clear refusal, and writes that are whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mbp.core.errors import MbpError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 with unix line ends, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def read_bytes(path: Path, shown_as: str, *, fix: str = "make it readable for your user") -> bytes:
    """The content of a file.

    Raises:
        MbpError: it is not there, or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise MbpError(what, path=shown_as, fix=fix) from error


def stale(root: Path, contents: Mapping[str, str | None]) -> list[str]:
    """Generated files that are missing or differ, byte by byte, from `contents`, by path in the project.

    Args:
        contents: None for a file that may not be there.
    """
    return sorted(name for name, content in contents.items() if _present(root / name) != content)


def write_stale(root: Path, contents: Mapping[str, str | None]) -> list[str]:
    """Writes the generated files that are stale, and removes those that may not be there; their paths."""
    changed = stale(root, contents)
    for name in changed:
        content = contents[name]
        if content is None:
            (root / name).unlink()
        else:
            write_text(root / name, content)
    return changed


def _present(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
