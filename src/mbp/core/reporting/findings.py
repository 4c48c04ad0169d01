"""What a check found, whatever the check was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal, get_args

from mbp.core.errors import MbpError
from mbp.core.yaml_io import loads

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True)
class CodeMeaning:
    """What a code means: written once, for SARIF, by `explain` and in the reference.

    Attributes:
        code: stable name; it never changes its meaning and is never given to another rule.
        title: one short sentence.
        why: what goes wrong where the rule is broken.
        fix: what to do about it.
        what: what exactly is checked; the title alone where that is enough.
        severity: of its findings.
    """

    code: str
    title: str
    why: str
    fix: str
    what: str = ""
    severity: Severity = "error"


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        code: of the rule that is broken.
        path: file, relative to the project; empty where no file is meant.
        line: 1-based; None where the whole file is meant.
        subject: key, relation, column or rule, like `orders.price`; empty where path and line say it.
        fix: what to do about it.
        severity: an error fails the check; warnings and notes do not.
        owner: the team that fixes it; empty where no team is named.
        evidence: what shows it, such as a digest or a count of rows; never a value of the data.
        not_measured: it could not be checked, so it is neither broken nor a pass.
    """

    code: str
    message: str
    path: str = ""
    line: int | None = None
    subject: str = ""
    fix: str = ""
    severity: Severity = "error"
    owner: str = ""
    evidence: str = ""
    not_measured: bool = False

    @property
    def place(self) -> str:
        """`path:line`, or the path alone, or the subject where no file is meant."""
        if not self.path:
            return self.subject
        return f"{self.path}:{self.line}" if self.line else self.path

    @property
    def sentence(self) -> str:
        """What was found, with its subject."""
        return f"{self.subject}: {self.message}" if self.subject and self.path else self.message

    @property
    def as_error(self) -> MbpError:
        """What stops a command that cannot go on with it."""
        return MbpError(self.sentence, path=self.path, line=self.line, fix=self.fix)

    @property
    def order(self) -> tuple[str, int, str, str, str]:
        """Key for sorting: by place, then by code."""
        return self.path, self.line or 0, self.code, self.subject, self.message


@dataclass(frozen=True)
class Suite:
    """One run of one check.

    Attributes:
        name: of the check, like `mbp contracts lint`.
        checked: files, or other objects, that were checked. Empty means that nothing was, which is no pass.
        rules: code -> meaning, of every code that may occur.
        extra: what the JSON form carries beside the findings.
        unit: what one of `checked` is.
        table: what the text form shows before the findings.
    """

    name: str
    checked: Sequence[str]
    findings: Sequence[Finding]
    rules: Mapping[str, CodeMeaning] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    unit: str = "file"
    table: str = ""

    @property
    def failed(self) -> bool:
        """An error was found, or nothing was checked."""
        return not self.checked or any(finding.severity == "error" for finding in self.findings)

    @property
    def counts(self) -> dict[Severity, int]:
        """Number of findings of each severity."""
        results = [finding.severity for finding in self.findings]
        return {severity: results.count(severity) for severity in SEVERITIES}


def read_codes(package: str, name: str) -> dict[str, CodeMeaning]:
    """Code -> its meaning, in the order of a file in the package."""
    text = (resources.files(package) / name).read_text(encoding="utf-8")
    entries = loads(text, shown_as=name)
    return {code: CodeMeaning(code=code, **entry) for code, entry in entries.items()}
