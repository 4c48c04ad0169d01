"""What the policy lets stand: never silently, never for ever without a fixed number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from mbp.quality.privacy.policy import Allowance, Policy
from mbp.quality.privacy.scan import Finding


@dataclass(frozen=True)
class Judged:
    """Findings after the allowances.

    Attributes:
        open: findings that nothing allows.
        allowed: how many each allowance let stand, in the order of the policy.
        problems: allowances that are expired, match nothing, or match something else than they say.
    """

    open: Sequence[Finding]
    allowed: Sequence[tuple[Allowance, int]]
    problems: Sequence[str]


def judge(findings: Sequence[Finding], policy: Policy, today: date) -> Judged:
    """Every finding is open unless exactly what an allowance says was found."""
    left = list(dict.fromkeys(findings))
    allowed, problems = [], []
    for one in policy.allowances:
        matching = [
            found
            for found in left
            if found.kind == one.kind and fnmatchcase(found.place, one.place)
        ]
        reason = refusal(one, matching, today)
        if reason:
            problems.append(f"{policy.path}:{one.line}: the allowance of {one.place} {reason}")
            continue
        allowed.append((one, len(matching)))
        left = [found for found in left if found not in matching]
    return Judged(left, allowed, problems)


def refusal(allowance: Allowance, matching: Sequence[Finding], today: date) -> str | None:
    """Why an allowance does not hold; None when it does."""
    if not matching:
        return f"({allowance.kind}) matches nothing: remove it"
    if allowance.expires is not None:
        return f"expired on {allowance.expires}" if today > allowance.expires else None
    if len(matching) != allowance.count:
        return f"({allowance.kind}) is for {allowance.count}, found {len(matching)}"
    if {found.digest for found in matching} != allowance.digests:
        return f"({allowance.kind}) is for other values"
    return None
