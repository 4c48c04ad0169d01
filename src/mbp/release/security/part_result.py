"""What a part of the security run says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from packaging.utils import canonicalize_name

from mbp.contracts.exceptions import AllowedException, exception_findings
from mbp.core.verdict import Verdict
from mbp.release.security.security_policy import SecurityPolicy


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that must be mended: its place, what is wrong and how to cure it."""

    place: str
    what: str
    cure: str


@dataclass(frozen=True)
class FoundIssue:
    """What a tool found.

    Attributes:
        keys: (code, object) of the exceptions that accept it; none: no exception can.
    """

    place: str
    what: str
    fix: str
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
    problems: tuple[Problem, ...] = ()
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
        found = f"{len(self.problems)} findings" if self.problems else "no finding"
        return f"{found}; {counted}"

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "part": self.part,
            "verdict": self.verdict,
            "looked_at": dict(self.looked_at),
            "reason": self.reason,
            "problems": [asdict(one) for one in self.problems],
            **self.content,
        }


def exception_problems(
    exceptions: Sequence[AllowedException],
    used: Collection[tuple[str, str]] | None = None,
    today: date | None = None,
) -> list[Problem]:
    """Exceptions that expired or except nothing.

    Args:
        used: keys of those that excepted something; None where the machine decides that.
        today: in UTC; the present day without it.
    """
    day = today or datetime.now(UTC).date()
    return [
        Problem(found.place, found.sentence, found.cure)
        for found in exception_findings(exceptions, day, used=used)
    ]


def accepted(
    part: str,
    policy: SecurityPolicy,
    counts: Mapping[str, int | str],
    found: Sequence[FoundIssue],
    *,
    must: str,
    content: Mapping[str, Any] | None = None,
    today: date | None = None,
) -> PartResult:
    """The verdict over what was found, less what exceptions of the policy accept today.

    An exception that expired or accepts nothing is a problem too.
    """
    day = today or datetime.now(UTC).date()
    exceptions = policy.exceptions[part]
    # Names of packages have several spellings, and what is found has the canonical one.
    packages = part in ("audit", "licences")
    known = {
        (one.code, canonicalize_name(one.object) if packages else one.object): one
        for one in exceptions
    }
    used: set[tuple[str, str]] = set()
    problems: list[Problem] = []
    for one in found:
        match = next((known[key] for key in one.keys if key in known), None)
        if match is not None:
            used.add(match.key)
        if match is None or match.expired(day):
            problems.append(Problem(one.place, one.what, one.fix))
    problems += exception_problems(exceptions, used, day)
    return judged(part, {**counts, "accepted": len(used)}, problems, must=must, content=content)


def judged(
    part: str,
    looked_at: Mapping[str, int | str],
    problems: Sequence[Problem],
    *,
    must: str,
    content: Mapping[str, Any] | None = None,
) -> PartResult:
    """Pass or fail by the problems; not measured when the count `must` is zero."""
    if not looked_at.get(must):
        return unmeasured(part, f"no {must.replace('_', ' ')}: nothing was looked at", looked_at)
    verdict = Verdict.FAIL if problems else Verdict.PASS
    return PartResult(part, verdict, looked_at, tuple(sorted(set(problems))), content=content or {})


def unmeasured(
    part: str, reason: str, looked_at: Mapping[str, int | str] | None = None
) -> PartResult:
    """Nobody could look, and why."""
    return PartResult(part, Verdict.NOT_MEASURED, looked_at or {}, reason=reason)
