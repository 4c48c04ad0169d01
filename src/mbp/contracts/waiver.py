"""contracts/waivers/<id>.yaml: one waiver a file: an exception (`mbp.contracts.exceptions`) that people sign."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from mbp.contracts.exceptions import AllowedException
from mbp.core.canonical_json import Subject
from mbp.core.errors import MbpError
from mbp.core.forms import Beside, Count, Name, Version, built, schema_of
from mbp.core.paths import shown
from mbp.core.reporting import Finding
from mbp.core.schema_check import violations
from mbp.core.yaml_io import loads, plain, read

FOLDER = "contracts/waivers"
SUFFIX = ".yaml"
SIGNATURES = f"{FOLDER}/signatures"
# The timebox of the measurement sheet (A87): a fixed release is out by then. The first day counts.
WAIVER_DAYS = 14
APPROVERS = ("PO", "Eng", "Data", "SRE")
RiskLevel = Literal["low", "medium", "high"]
Kind = Literal["gate_check", "rule", "change"]
RISKS, KINDS = get_args(RiskLevel), get_args(Kind)

# (Project, rule ids) -> those of the rules that a valid waiver covers now.
WaivedRules = Callable[[Path, Sequence[str]], frozenset[str]]


def no_waivers(root: Path, rule_ids: Sequence[str]) -> frozenset[str]:
    """What counts where the caller gives no waivers: none."""
    del root, rule_ids
    return frozenset()


@dataclass(frozen=True)
class Risk:
    """What may happen."""

    level: RiskLevel
    text: str


@dataclass(frozen=True)
class Rollback:
    """What to do when it goes wrong, and the exercise that rehearsed it."""

    plan: str
    exercise: Name


@dataclass(frozen=True, kw_only=True)
class Waiver(AllowedException):
    """One waiver as its file says it; whether it is valid is another question.

    Attributes:
        id: its name, and that of its file.
        code, object: what it waives: a check of the gate, a rule, or the fingerprint of a change.
        opened: first day (UTC) on which it applies.
        findings: how many it covers: failures of a check, failing rows of a rule; 0: that it was not measured.
        document: the file as plain values, which is what approvals sign.
        file_sha256: of the file's bytes: comments and layout are not content, and may not change either.
    """

    version: Version
    id: Name
    code: Kind
    risk: Risk
    opened: date
    findings: Count
    rollback: Rollback
    document: Beside[Mapping[str, Any]] = field(default_factory=dict)
    file_sha256: Beside[str] = ""

    @property
    def subject(self) -> str:
        """Its id."""
        return self.id

    @property
    def furthest(self) -> date:
        """The furthest last day that it may have."""
        return self.opened + timedelta(days=WAIVER_DAYS - 1)

    def covers(self, findings: int) -> bool:
        """Whether so many findings are what was signed: no more of them, and no failure for a missing measurement."""
        return 0 < findings <= self.findings or findings == self.findings

    def in_force(self, moment: datetime) -> bool:
        """Whether it applies at an instant in UTC."""
        return self.opened <= moment.date() <= self.until

    def days_left(self, now: datetime) -> int:
        """Days after today on which it applies."""
        return (self.until - now.date()).days

    @property
    def signed_content(self) -> Subject:
        """What an approval signs."""
        return Subject.of(self.id, self.document, file=self.file_sha256)

    def signatures(self, root: Path) -> Path:
        """The folder of its approvals."""
        return root / SIGNATURES / self.id


def files(root: Path) -> list[Path]:
    """The files of waivers, by name."""
    return sorted((root / FOLDER).glob(f"*{SUFFIX}"))


def read_waiver(path: Path, root: Path) -> Waiver | list[Finding]:
    """The waiver in a file, or what is wrong with its form."""
    place = shown(path, root)
    try:
        node = loads(read(path, shown_as=place), shown_as=place)
    except MbpError as error:
        return [form_finding(place, error.line, path.stem, error.what, error.fix)]
    if faults := violations(node, schema_of(Waiver)):
        return [
            form_finding(place, fault.line or 1, path.stem, f"exception: {fault.what}", fault.fix)
            for fault in faults
        ]
    waiver: Waiver = built(Waiver, node, place)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(waiver, document=plain(node), file_sha256=sha256)


def form_finding(path: str, line: int | None, subject: str, what: str, fix: str | None) -> Finding:
    """A file that is no waiver."""
    return Finding("waiver_form", what, path, line, subject, fix or "see docs/waivers.md")
