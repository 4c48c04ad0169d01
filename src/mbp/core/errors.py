"""The one way a command refuses to go on.

Exit codes, the same for every command: 0 pass, 1 findings, 2 could not run.
"""

from __future__ import annotations

from pathlib import Path

EXIT_PASS = 0
EXIT_FINDINGS = 1
EXIT_COULD_NOT_RUN = 2
# Of a gate alone: everything holds, and it is no production.
EXIT_REHEARSAL = 3


class MbpError(Exception):
    """Bad input or a missing condition, reported in one line: place, what is wrong, fix.

    Args:
        what: what is wrong and what was expected instead.
        path: the file with the error, if there is one.
        line: 1-based line in `path`.
        fix: what the reader can do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        fix: str | None = None,
    ) -> None:
        self.what = what
        self.path = path
        self.line = line
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.path}" if self.path is not None else ""
        if self.line is not None:
            place += f":{self.line}"
        text = f"{place}: {self.what}" if place else self.what
        return f"{text}. Fix: {self.fix}" if self.fix else text
