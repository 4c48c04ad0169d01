"""contracts/waivers/<id>.yaml: one waiver a file: an exception (`mbp.contracts.exceptions`) that people sign."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from mbp.contracts.exceptions import DAY, AllowedException, entry_faults, entry_values
from mbp.core.canonical_json import Subject
from mbp.core.errors import MbpError
from mbp.core.forms import NAME
from mbp.core.paths import shown
from mbp.core.reporting import Finding
from mbp.core.schema_check import TEXT, closed
from mbp.core.yaml_io import line_of, loads, plain, read

FOLDER = "contracts/waivers"
SUFFIX = ".yaml"
SIGNATURES = f"{FOLDER}/signatures"
# The timebox of the measurement sheet (A87): a fixed release is out by then. The first day counts.
WAIVER_DAYS = 14
APPROVERS = ("PO", "Eng", "Data", "SRE")
RISKS = ("low", "medium", "high")
KINDS = ("gate_check", "rule", "change")
MORE = {
    "version": {"const": 1},
    "id": NAME,
    "code": {"enum": list(KINDS)},
    "risk": closed({"level": {"enum": list(RISKS)}, "text": TEXT}),
    "opened": DAY,
    "findings": {"type": "integer", "minimum": 0},
    "rollback": closed({"plan": TEXT, "exercise": NAME}),
}

# (Project, rule ids) -> those of the rules that a valid waiver covers now.
WaivedRules = Callable[[Path, Sequence[str]], frozenset[str]]


def no_waivers(root: Path, rule_ids: Sequence[str]) -> frozenset[str]:
    """What counts where the caller gives no waivers: none."""
    del root, rule_ids
    return frozenset()


@dataclass(frozen=True, kw_only=True)
class Waiver(AllowedException):
    """One waiver as its file says it; whether it is valid is another question.

    Attributes:
        code, object: what it waives: a check of the gate, a rule, or the fingerprint of a change.
        opened: first day (UTC) on which it applies.
        document: the file as plain values, which is what approvals sign.
        file_sha256: of the file's bytes: comments and layout are not content, and may not change either.
    """

    opened: date
    document: dict[str, Any]
    file_sha256: str

    @property
    def id(self) -> str:
        """Its name, and that of its file."""
        return str(self.more["id"])

    @property
    def subject(self) -> str:
        """Its id."""
        return self.id

    @property
    def furthest(self) -> date:
        """The furthest last day that it may have."""
        return self.opened + timedelta(days=WAIVER_DAYS - 1)

    @property
    def findings(self) -> int:
        """How many findings it covers: failures of a check, failing rows of a rule; 0: that it was not measured."""
        return int(self.more["findings"])

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
        faults = list(entry_faults(node, place, 1, MORE, days=("opened", "until")))
    except MbpError as error:
        faults = [error]
    if faults:
        return [
            form_finding(place, fault.line, path.stem, fault.what, fault.fix) for fault in faults
        ]
    return Waiver(
        **entry_values(node),
        opened=date.fromisoformat(node["opened"]),
        path=place,
        line=1,
        lines={str(key): line_of(node, key) for key in node},
        document=plain(node),
        file_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def form_finding(path: str, line: int | None, subject: str, what: str, fix: str | None) -> Finding:
    """A file that is no waiver."""
    return Finding("waiver_form", what, path, line, subject, fix or "see docs/waivers.md")
