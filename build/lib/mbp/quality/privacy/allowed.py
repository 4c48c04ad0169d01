"""Findings of the privacy scan after the exceptions of the policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from mbp.contracts.exceptions import AllowedException, exception_findings
from mbp.quality.privacy.privacy_policy import PrivacyPolicy
from mbp.quality.privacy.scan import SensitiveValue


@dataclass(frozen=True)
class Judged:
    """Findings after the exceptions.

    Attributes:
        open: findings that no exception allows.
        allowed: how many findings each exception allowed, in the order of the policy.
        problems: exceptions that expired, match nothing, or match other values than they name.
    """

    open: Sequence[SensitiveValue]
    allowed: Sequence[tuple[AllowedException, int]]
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


def _mismatch(entry: AllowedException, matching: Sequence[SensitiveValue]) -> list[str]:
    if not entry.more:
        return []
    if len(matching) != entry.more["count"]:
        return [f"the exception is for {entry.more['count']}, found {len(matching)}"]
    if {sensitive_value.digest for sensitive_value in matching} != set(entry.more["digests"]):
        return ["the exception is for other values"]
    return []
