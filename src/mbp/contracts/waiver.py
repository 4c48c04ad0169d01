"""contracts/waivers/<id>.yaml: one waiver a file, read strictly and with line numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft201909Validator

from mbp.contracts.exceptions import KEYS, refuse_old_keys
from mbp.contracts.policy import TEXT, closed
from mbp.contracts.sheet import NAME
from mbp.core.canonical_json import Subject
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.reporting import Finding
from mbp.core.schema_check import as_json, violations
from mbp.core.yaml_io import line_of, loads, plain, read

FOLDER = "contracts/waivers"
SUFFIX = ".yaml"
SIGNATURES = f"{FOLDER}/signatures"
# The timebox of the measurement sheet (A87): a fixed release is out by then.
WAIVER_DAYS = 14
APPROVERS = ("PO", "Eng", "Data", "SRE")
RISKS = ("low", "medium", "high")
KINDS = ("gate_check", "rule", "change")
Kind = Literal["gate_check", "rule", "change"]
INSTANT = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|\+00:00))?$",
}
SCHEMA = closed(
    {
        "version": {"const": 1},
        "id": NAME,
        **KEYS,
        "code": {"enum": list(KINDS)},
        "risk": closed({"level": {"enum": list(RISKS)}, "text": TEXT}),
        "opened": INSTANT,
        "until": INSTANT,
        "rollback": closed({"plan": TEXT, "exercise": NAME}),
    }
) | {
    "if": {"properties": {"code": {"const": "change"}}},
    "then": {"properties": {"object": {"pattern": "^[0-9a-f]{16}$"}}},
}
# Keys of the older form -> what says it now.
OLD_KEYS = {"covers": "code, object", "expires": "until"}


# (Project, rule ids) -> those of the rules that a valid waiver covers now.
WaivedRules = Callable[[Path, Sequence[str]], frozenset[str]]


def no_waivers(root: Path, rule_ids: Sequence[str]) -> frozenset[str]:
    """What counts where the caller gives no waivers: none."""
    del root, rule_ids
    return frozenset()


@dataclass(frozen=True)
class Waiver:
    """One waiver as its file says it; whether it is valid is another question.

    Attributes:
        code, object: what it waives: a check of the gate, a rule, or the fingerprint of a change.
        opened, until: UTC; a date alone is the beginning of that day.
        document: the file as plain values, which is what approvals sign.
        file_sha256: of the file's bytes: comments and layout are not content, and may not change either.
        lines: key -> line.
    """

    id: str
    code: Kind
    object: str
    reason: str
    owner: str
    risk: str
    risk_text: str
    opened: datetime
    until: datetime
    rollback_plan: str
    exercise: str
    path: str
    document: dict[str, Any]
    file_sha256: str
    lines: dict[str, int | None]

    def days_left(self, now: datetime) -> float:
        """Days until it expires, to one tenth."""
        return round((self.until - now).total_seconds() / 86_400, 1)

    @property
    def subject(self) -> Subject:
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
        text = read(path, shown_as=place)
        node = loads(text, shown_as=place)
        refuse_old_keys(node, place, OLD_KEYS)
    except MbpError as error:
        return [form_finding(place, error.line, path.stem, error.what, error.cure)]
    value = as_json(plain(node))
    findings = [
        form_finding(place, violation.line, path.stem, violation.what, violation.cure)
        for violation in violations(node, Draft201909Validator(SCHEMA))
    ]
    if findings:
        return findings
    moments: dict[str, datetime] = {}
    for key in ("opened", "until"):
        try:
            moments[key] = instant(value[key])
        except ValueError:
            what, cure = f"{key}: {value[key]!r} is no instant", "write a UTC date or instant"
            findings.append(form_finding(place, line_of(node, key), path.stem, what, cure))
    if findings:
        return findings
    return Waiver(
        id=value["id"],
        code=value["code"],
        object=value["object"],
        reason=value["reason"],
        owner=value["owner"],
        risk=value["risk"]["level"],
        risk_text=value["risk"]["text"],
        **moments,
        rollback_plan=value["rollback"]["plan"],
        exercise=value["rollback"]["exercise"],
        path=place,
        document=value,
        file_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        lines=dict(_lines(node)),
    )


def instant(text: str) -> datetime:
    """A UTC date (its beginning) or instant.

    Raises:
        ValueError: no such day or time.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def form_finding(path: str, line: int | None, subject: str, what: str, cure: str | None) -> Finding:
    """A file that is no waiver."""
    return Finding("waiver_form", what, path, line, subject, cure or "see docs/waivers.md")


def _lines(node: Any) -> Iterator[tuple[str, int | None]]:
    for key in node:
        yield str(key), line_of(node, key)
