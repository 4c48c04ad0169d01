"""A directory that can be full: a small separate file system, mounted for as long as a scenario plays."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mbp.core.errors import MbpError

QUOTA_BYTES = 96 * 2**20
BLOCK = b"\0" * 4096
BALLAST = "ballast"


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """An empty folder that holds no more than QUOTA_BYTES.

    Raises:
        MbpError: none can be mounted here; the scenario was not played then, which is a failure.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={QUOTA_BYTES},mode=0755"
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        reason = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        reason = str(error)
    if reason:
        raise MbpError(
            f"could not run: no directory with a quota can be mounted: {reason}",
            fix="run the drill as root on Linux",
        )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)


def fill(folder: Path) -> int:
    """Leaves no block free; bytes written."""
    written = 0
    with suppress(OSError), (folder / BALLAST).open("wb", buffering=0) as file:
        while True:
            written += file.write(BLOCK)
    return written


def empty(folder: Path) -> None:
    """Takes the ballast away."""
    (folder / BALLAST).unlink()
