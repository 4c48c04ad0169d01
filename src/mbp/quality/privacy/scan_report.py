"""A scan of everything that the policy names: verdict, evidence, and the words for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.moments import today
from mbp.core.reporting import Finding, Suite
from mbp.core.reporting.progress import SILENT, Say
from mbp.core.verdict import Verdict
from mbp.quality.privacy.allowed import Judged, judge
from mbp.quality.privacy.privacy_policy import UNREAD, PrivacyPolicy, load_policy
from mbp.quality.privacy.scan import SensitiveValue, scan_file
from mbp.quality.privacy.scan_sources import Looked, Looker, files_below
from mbp.runs.envelope import begin, write

EVIDENCE = "privacy_scan"
STDIN = "-"


@dataclass(frozen=True)
class Report:
    """What was looked at and what was found."""

    looked: Sequence[Looked]
    judged: Judged

    @property
    def unseen(self) -> list[str]:
        """Why a source was not looked at, or not all of it: what the system did not give, and what was not opened."""
        return [
            *(f"{one.id}: {one.problem}" for one in self.looked if one.problem),
            *(f"{one.place}: {one.what} ({one.digest}): {one.masked}" for one in self.unread),
        ]

    @property
    def unread(self) -> list[SensitiveValue]:
        """Files that were not read and that no exception names."""
        return [one for one in self.judged.open if one.kind == UNREAD]

    @property
    def found(self) -> list[SensitiveValue]:
        """Personal data and secrets that no exception names."""
        return [one for one in self.judged.open if one.kind != UNREAD]

    @property
    def verdict(self) -> Verdict:
        """Personal data is a failure whatever else was not looked at."""
        if self.found or self.judged.problems:
            return Verdict.FAIL
        return Verdict.NOT_MEASURED if self.unseen else Verdict.PASS

    def suite(self) -> Suite:
        """What was found or not read, and what is wrong with the exceptions."""
        findings = [one.finding for one in (*self.found, *self.unread)]
        findings += [Finding("exception", problem) for problem in self.judged.problems]
        sources = [one.id for one in self.looked]
        table = "\n".join(_sources(self))
        return Suite("mbp privacy scan", sources, findings, unit="source", table=table)

    def content(self) -> dict[str, Any]:
        """For JSON and evidence; no value stands in it."""
        return {
            "sources": {
                one.id: {
                    "looked_at": one.files + one.rows,
                    "files": one.files,
                    "rows": one.rows,
                    "bytes": one.bytes,
                    "findings": len({found for found in one.findings if found.kind != UNREAD}),
                    "unread": len({found for found in one.findings if found.kind == UNREAD}),
                    "problem": one.problem,
                    "note": one.note,
                }
                for one in self.looked
            },
            "by_kind": dict(sorted(Counter(one.kind for one in self.found).items())),
            "findings": [asdict(one) for one in self.found],
            "unread": [asdict(one) for one in self.unread],
            "allowed": [
                {"place": one.object, "kind": one.code, "reason": one.reason, "findings": count}
                for one, count in self.judged.allowed
            ],
            "problems": list(self.judged.problems),
        }

    def summary(self) -> str:
        """One sentence."""
        found = len(self.found)
        problems = [*self.judged.problems, *self.unseen]
        told = f"{found} findings in {len(self.looked)} sources"
        return f"{told}; {problems[0]}" if problems else told


def scan_project(root: Path, target: str, say: Say = SILENT.say) -> Report:
    """Looks through every source of the policy and writes the evidence.

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
    """Looks through files, folders, or `-`: the bytes of `stdin`. The exceptions are not asked whether all matched.

    Raises:
        MbpError: the policy cannot be read, or a path is not there or empty.
    """
    policy = load_policy(root)
    looker = Looker(root, target, policy)
    looked = []
    for name in paths:
        one = Looked(name)
        if name == STDIN:
            one.files, one.bytes = 1, len(stdin)
            one.findings += scan_file(stdin, "stdin", policy)
        else:
            files = files_below(Path(name))
            if not files:
                raise MbpError(
                    "nothing was looked at: no file there",
                    path=name,
                    cure="name a file, or a folder that has some",
                )
            looker.paths(files, one)
        looked.append(one)
    judged = _judged(looked, policy)
    return Report(looked, Judged(judged.open, judged.allowed, ()))


def _judged(looked: Sequence[Looked], policy: PrivacyPolicy) -> Judged:
    findings: list[SensitiveValue] = [found for one in looked for found in one.findings]
    return judge(findings, policy, today())


def _sources(report: Report) -> list[str]:
    told = []
    for one in report.looked:
        seen: Mapping[str, int] = {"files": one.files, "rows": one.rows}
        amount = ", ".join(f"{count:,} {name}" for name, count in seen.items() if count)
        told.append(f"{one.id:<14} {one.problem or one.note or amount}")
    told += [
        f"allowed: {one.object} ({one.code}, {count}): {one.reason}"
        for one, count in report.judged.allowed
    ]
    return told
