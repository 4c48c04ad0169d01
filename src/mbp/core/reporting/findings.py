"""What a check found, whatever the check was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True)
class CodeMeaning:
    """What a code means: told once in SARIF, by `explain` and in the reference.

    Attributes:
        code: stable name; it never changes its meaning and is never given to another rule.
        title: one short sentence.
        why: what goes wrong where the rule is broken.
        cure: what to do about it.
        what: what exactly is looked at; the title alone where that says it all.
        level: of its findings.
    """

    code: str
    title: str
    why: str
    cure: str
    what: str = ""
    level: Level = "error"


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        code: of the rule that is broken.
        level: an error fails the check; warnings and notes only tell.
        path: file, relative to the project.
        line: 1-based; None where the whole file is meant.
        subject: what it is about, like `mbp_quotes.price`; empty where the place says it.
    """

    code: str
    level: Level
    path: str
    line: int | None
    subject: str
    message: str
    cure: str = ""

    @property
    def place(self) -> str:
        """`path:line`, or the path alone."""
        return f"{self.path}:{self.line}" if self.line else self.path

    @property
    def sentence(self) -> str:
        """What was found, with its subject."""
        return f"{self.subject}: {self.message}" if self.subject else self.message


@dataclass(frozen=True)
class Suite:
    """One run of one check.

    Attributes:
        name: of the check, like `mbp contracts lint`.
        checked: files that were looked at. Empty means that nothing was checked, which is no pass.
        rules: code -> meaning, of every code that may occur.
        extra: what the JSON form carries beside the findings.
    """

    name: str
    checked: Sequence[str]
    findings: Sequence[Finding]
    rules: Mapping[str, CodeMeaning] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """An error was found, or nothing was looked at."""
        return not self.checked or any(finding.level == "error" for finding in self.findings)

    @property
    def counts(self) -> dict[Level, int]:
        """Number of findings of each level."""
        return {level: sum(finding.level == level for finding in self.findings) for level in LEVELS}
