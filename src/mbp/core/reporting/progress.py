"""What a long command is doing: a living line on a terminal, a plain line per step in a pipe or a log.

Always on stderr, so that results on stdout stay whole.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mbp.core.reporting.terminal import guard, printable

# How a library reports its steps; `Progress.say` is one.
Say = Callable[[str], None]


class Progress:
    """Receives the steps of a command; this one is for those who do not watch. Both methods may come at any time."""

    def say(self, message: str) -> None:
        """A new step begins; the one before is done."""

    def count(self, phase: str, done: int, of: int, unit: str) -> None:
        """Reports `done` of a known number; `phase` is a separate step."""


SILENT = Progress()
_silenced = False


def silence(quiet: bool) -> None:
    """Whether `progress` shows nothing from now on."""
    global _silenced  # noqa: PLW0603 (an option of the process, given once)
    _silenced = quiet


class Lines(Progress):
    """A line per step, and one per tenth of what is counted: no colours, nothing is overwritten."""

    def __init__(self) -> None:
        self._shown_tenths: dict[str, int] = {}

    def say(self, message: str) -> None:
        """The step as one line."""
        print(message, file=sys.stderr, flush=True)

    def count(self, phase: str, done: int, of: int, unit: str) -> None:
        """A line whenever another tenth is done."""
        tenth = 10 * done // max(1, of)
        if tenth > self._shown_tenths.get(phase, 0):
            self._shown_tenths[phase] = tenth
            self.say(f"{phase}: {done:,} of {of:,} {unit}")


class Living(Progress):
    """One line that moves, with the time that the step has taken; what is done stays above it."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task: Any = None
        self._step = ""
        self._begun = 0.0

    def say(self, message: str) -> None:
        """The step before becomes a line that stays, with its seconds."""
        self.end()
        self._begin(message, None, "")

    def count(self, phase: str, done: int, of: int, unit: str) -> None:
        """A bar that fills."""
        if printable(phase) != self._step:
            self.end()
            self._begin(phase, of, unit)
        self._bar.update(self._task, completed=done, total=of, message=f"{done:,} of {of:,} {unit}")

    def end(self) -> None:
        """The last step is done too."""
        if self._task is not None:
            seconds = time.monotonic() - self._begun
            # Printed and not logged: names in brackets are no markup, long ones are not folded.
            self._bar.console.print(
                f"{self._step} ({seconds:.1f} s)", markup=False, highlight=False, soft_wrap=True
            )
            self._bar.remove_task(self._task)
        self._task, self._step = None, ""

    def _begin(self, step: str, of: int | None, unit: str) -> None:
        step = printable(step)
        self._step, self._begun = step, time.monotonic()
        message = f"0 of {of:,} {unit}" if of is not None else ""
        self._task = self._bar.add_task(step, total=of, message=message)


@contextmanager
def progress() -> Iterator[Progress]:
    """The progress of one command; all of it is off the screen or complete when the block ends."""
    if _silenced:
        yield SILENT
        return
    # A dumb terminal, such as that of an editor, cannot overwrite a line.
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    bar = Bar(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[message]}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        # Removed when the command ends: the finished steps are above it.
        transient=True,
    )
    with bar:
        # While it runs, it replaces both streams itself, and would draw what is printed with its colours.
        guard()
        living = Living(bar)
        yield living
        living.end()
