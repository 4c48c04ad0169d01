"""A scan of everything that the policy names, after its exceptions: verdict, evidence, and the words for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from mbp.contracts.exceptions import exception_findings
from mbp.core.errors import MbpError
from mbp.core.moments import today
from mbp.core.reporting import Finding, Suite
from mbp.core.reporting.progress import SILENT, Say
from mbp.core.verdict import Verdict
from mbp.core.wording import many
from mbp.quality.privacy.privacy_policy import (
    UNREAD,
    PrivacyPolicy,
    ValueException,
    load_policy,
)
from mbp.quality.privacy.scan import scan_file
from mbp.quality.privacy.scan_sources import Looked, Looker, files_below
from mbp.quality.privacy.scanned_parts import SensitiveValue
from mbp.runs.envelope import begin, write

EVIDENCE = "privacy_scan"
STDIN = "-"
COUNTED = ("files", "rows", "bytes")


@dataclass(frozen=True)
class Report:
    """What was scanned and what was found."""

    looked: Sequence[Looked]
    judged: Judged

    @property
    def unseen(self) -> list[str]:
        """Why a source was not scanned, or not all of it: what the system did not provide, and what was not opened."""
        return [
            *(f"{looked.id}: {looked.problem}" for looked in self.looked if looked.problem),
            *(
                f"{sensitive_value.place}: {sensitive_value.what} ({sensitive_value.digest}): {sensitive_value.masked}"
                for sensitive_value in self.unread
            ),
        ]

    @property
    def unread(self) -> list[SensitiveValue]:
        """Files that were not read and that no exception names."""
        return [found for found in self.judged.open if found.kind == UNREAD]

    @property
    def sensitive_values(self) -> list[SensitiveValue]:
        """Personal data and secrets that no exception names."""
        return [found for found in self.judged.open if found.kind != UNREAD]

    @property
    def verdict(self) -> Verdict:
        """Personal data is a failure, even when something else was not scanned."""
        if self.sensitive_values or self.judged.problems:
            return Verdict.FAIL
        return Verdict.NOT_MEASURED if self.unseen else Verdict.PASS

    def suite(self) -> Suite:
        """What was found or not read, and what is wrong with the exceptions."""
        findings = [
            sensitive_value.finding for sensitive_value in (*self.sensitive_values, *self.unread)
        ]
        findings += [Finding("exception", problem) for problem in self.judged.problems]
        sources = [looked.id for looked in self.looked]
        table = "\n".join(_sources(self))
        return Suite("mbp privacy scan", sources, findings, unit="source", table=table)

    def content(self) -> dict[str, Any]:
        """For JSON and evidence; it contains no value."""
        return {
            "sources": {
                looked.id: {
                    "looked_at": looked.files + looked.rows,
                    **{name: getattr(looked, name) for name in COUNTED},
                    "findings": len({each for each in looked.findings if each.kind != UNREAD}),
                    "unread": len({each for each in looked.findings if each.kind == UNREAD}),
                    "problem": looked.problem,
                    "note": looked.note,
                }
                for looked in self.looked
            },
            "by_kind": dict(sorted(Counter(found.kind for found in self.sensitive_values).items())),
            "findings": [asdict(found) for found in self.sensitive_values],
            "unread": [asdict(found) for found in self.unread],
            "allowed": [
                {
                    "place": entry.object,
                    "kind": entry.code,
                    "reason": entry.reason,
                    "findings": count,
                }
                for entry, count in self.judged.allowed
            ],
            "problems": list(self.judged.problems),
        }

    def summary(self) -> str:
        """One sentence."""
        count = len(self.sensitive_values)
        problems = [*self.judged.problems, *self.unseen]
        message = f"{many(count, 'finding')} in {many(len(self.looked), 'source')}"
        return f"{message}; {problems[0]}" if problems else message


def scan_project(root: Path, target: str, say: Say = SILENT.say) -> Report:
    """Scans every source of the policy and writes the evidence.

    Raises:
        MbpError: the policy cannot be read.
    """
    begun = begin(root)
    policy = load_policy(root)
    looker = Looker(root, target, policy)
    looked = looker.look(say)
    report = Report(looked, _judged(looked, policy))
    write(
        begun,
        EVIDENCE,
        summary=report.summary(),
        content=report.content(),
        target=target,
        warehouse=looker.warehouse,
        data=looker.data,
    )
    return report


def scan_paths(root: Path, target: str, paths: Sequence[str], stdin: bytes) -> Report:
    """Scans files, folders, or `-`: the bytes of `stdin`. Exceptions that match nothing are not reported.

    Raises:
        MbpError: the policy cannot be read, or a path is not there or empty.
    """
    policy = load_policy(root)
    looker = Looker(root, target, policy)
    looked = []
    for name in paths:
        source = Looked(name)
        if name == STDIN:
            source.files, source.bytes = 1, len(stdin)
            source.findings += scan_file(stdin, "stdin", policy)
        else:
            files = files_below(Path(name))
            if not files:
                raise MbpError(
                    "nothing was scanned: no file there",
                    path=name,
                    fix="name a file, or a folder that has some",
                )
            looker.paths(files, source)
        looked.append(source)
    judged = _judged(looked, policy)
    return Report(looked, Judged(judged.open, judged.allowed, ()))


def _judged(looked: Sequence[Looked], policy: PrivacyPolicy) -> Judged:
    findings: list[SensitiveValue] = [finding for source in looked for finding in source.findings]
    return judge(findings, policy, today())


def _sources(report: Report) -> list[str]:
    lines = []
    for looked in report.looked:
        seen: Mapping[str, int] = {"files": looked.files, "rows": looked.rows}
        amount = ", ".join(f"{count:,} {name}" for name, count in seen.items() if count)
        lines.append(f"{looked.id:<14} {looked.problem or looked.note or amount}")
    lines += [
        f"allowed: {allowed_exception.object} ({allowed_exception.code}, {count}): {allowed_exception.reason}"
        for allowed_exception, count in report.judged.allowed
    ]
    return lines


@dataclass(frozen=True)
class Judged:
    """Findings after the exceptions.

    Attributes:
        open: findings that no exception allows.
        allowed: how many findings each exception allowed, in the order of the policy.
        problems: exceptions that expired, match nothing, or match other values than they name.
    """

    open: Sequence[SensitiveValue]
    allowed: Sequence[tuple[ValueException, int]]
    problems: Sequence[str]


def judge(findings: Sequence[SensitiveValue], policy: PrivacyPolicy, today: date) -> Judged:
    """Every finding is open unless an exception names exactly what was found."""
    left = list(dict.fromkeys(findings))
    allowed = []
    problems = [
        f"{wrong.place}: {wrong.sentence}"
        for wrong in exception_findings(tuple(policy.may_be_missing.values()), today)
    ]
    for entry in policy.allowed_values:
        matching = [
            sensitive_value
            for sensitive_value in left
            if sensitive_value.kind == entry.code
            and fnmatchcase(sensitive_value.place, entry.object)
        ]
        used = {entry.key} if matching else set()
        reasons = [wrong.message for wrong in exception_findings([entry], today, used=used)]
        reasons += _mismatch(entry, matching)
        if reasons:
            problems.append(f"{entry.place}: {entry.code} of {entry.object}: {reasons[0]}")
            continue
        allowed.append((entry, len(matching)))
        left = [sensitive_value for sensitive_value in left if sensitive_value not in matching]
    return Judged(left, allowed, problems)


def _mismatch(entry: ValueException, matching: Sequence[SensitiveValue]) -> list[str]:
    if entry.count is None:
        return []
    if len(matching) != entry.count:
        return [f"the exception is for {entry.count}, found {len(matching)}"]
    if {sensitive_value.digest for sensitive_value in matching} != set(entry.digests):
        return ["the exception is for other values"]
    return []
