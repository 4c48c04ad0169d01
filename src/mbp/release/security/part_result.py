"""What a part of the security run says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from packaging.utils import canonicalize_name

from mbp.contracts.exceptions import exception_findings
from mbp.core.moments import today as today_in_utc
from mbp.core.reporting import Finding
from mbp.core.verdict import Verdict
from mbp.core.wording import many
from mbp.release.security.security_policy import SecurityPolicy


@dataclass(frozen=True)
class FoundIssue:
    """What a tool found.

    Attributes:
        keys: (code, object) of the exceptions that accept it; none: no exception can.
    """

    finding: Finding
    keys: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PartResult:
    """The verdict of one part.

    Attributes:
        looked_at: what was counted, so that a pass over nothing shows.
        reason: why it was not measured; empty otherwise.
        content: everything else that the evidence holds.
    """

    part: str
    verdict: Verdict
    looked_at: Mapping[str, int | str]
    problems: tuple[Finding, ...] = ()
    reason: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One line for people."""
        counted = ", ".join(
            f"{value:,} {name.replace('_', ' ')}" if isinstance(value, int) else f"{name} {value}"
            for name, value in self.looked_at.items()
        )
        if self.verdict == Verdict.NOT_MEASURED:
            return f"not measured: {self.reason}"
        text = many(len(self.problems), "finding") if self.problems else "no finding"
        return f"{text}; {counted}"

    def document(self) -> dict[str, Any]:
        """For JSON."""
        document = asdict(self)
        return {**document, **document.pop("content")}


def accepted(
    part: str,
    policy: SecurityPolicy,
    counts: Mapping[str, int | str],
    found_issues: Sequence[FoundIssue],
    *,
    must: str,
    content: Mapping[str, Any] | None = None,
    today: date | None = None,
) -> PartResult:
    """The verdict over what was found, less what exceptions of the policy accept today.

    An exception that expired or accepts nothing is a problem too.
    """
    day = today or today_in_utc()
    exceptions = policy.exceptions[part]
    # Names of packages have several spellings, and what is found has the canonical one.
    packages = part in ("audit", "licences")
    known = {
        (
            exception.code,
            canonicalize_name(exception.object) if packages else exception.object,
        ): exception
        for exception in exceptions
    }
    used: set[tuple[str, str]] = set()
    problems: list[Finding] = []
    for found_issue in found_issues:
        match = next((known[key] for key in found_issue.keys if key in known), None)
        if match is not None:
            used.add(match.key)
        if match is None or match.expired(day):
            problems.append(found_issue.finding)
    problems += exception_findings(exceptions, day, used=used)
    return judged(part, {**counts, "accepted": len(used)}, problems, must=must, content=content)


def judged(
    part: str,
    looked_at: Mapping[str, int | str],
    problems: Sequence[Finding],
    *,
    must: str,
    content: Mapping[str, Any] | None = None,
) -> PartResult:
    """Pass or fail by the problems; not measured when the count `must` is zero."""
    if not looked_at.get(must):
        return unmeasured(part, f"no {must.replace('_', ' ')}: nothing was checked", looked_at)
    verdict = Verdict.FAIL if problems else Verdict.PASS
    return PartResult(
        part,
        verdict,
        looked_at,
        tuple(sorted(set(problems), key=lambda problem: problem.order)),
        content=content or {},
    )


def unmeasured(
    part: str, reason: str, looked_at: Mapping[str, int | str] | None = None
) -> PartResult:
    """It could not be checked, and why."""
    return PartResult(part, Verdict.NOT_MEASURED, looked_at or {}, reason=reason)
