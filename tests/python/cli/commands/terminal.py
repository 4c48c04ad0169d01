"""`mbp` as a person has it: on a terminal of its own, or in a pipe."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# What the installed `mbp` does, of the source that is under test.
START = "import sys; sys.argv[0] = 'mbp'; from mbp.cli.main import main; main()"


def command(arguments: Sequence[str]) -> list[str]:
    """The words that run `mbp` with these arguments."""
    return [sys.executable, "-c", START, *arguments]


def surroundings(root: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment, with the source under test in front."""
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return kept | {"PYTHONPATH": str(root / "src"), "TERM": "xterm-256color", **(more or {})}


def in_a_pipe(
    root: Path, arguments: Sequence[str], more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Both streams are pipes."""
    return subprocess.run(
        command(arguments),
        cwd=root,
        env=surroundings(root, more),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def on_a_terminal(
    root: Path,
    words: Sequence[str],
    typed: Sequence[tuple[str, str]] = (),
    more: Mapping[str, str] | None = None,
    seconds: float = 240.0,
) -> str:
    """All that appears on a terminal.

    Args:
        typed: (what to wait for, what is then typed), in this order.
    """
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        words,
        cwd=root,
        env=surroundings(root, more),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    seen, waiting, looked = "", list(typed), 0
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            if waiting and waiting[0][0] in seen[looked:]:
                looked = len(seen)
                os.write(leader, waiting.pop(0)[1].encode())
            if not select.select([leader], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(leader, 65536)
            except OSError:  # the other side is closed: the program ended
                break
            if not piece:
                break
            seen += piece.decode("utf-8", "replace")
    finally:
        os.close(leader)
        if process.poll() is None:
            process.terminate()
        process.wait(60)
    return seen
