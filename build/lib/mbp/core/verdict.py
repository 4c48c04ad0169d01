"""The one vocabulary of verdicts: in code, in JSON and in the warehouse; `spelled` writes it for people."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What a check concluded.

    Attributes:
        WARN: a finding that does not block.
        WAIVED: a finding that a valid waiver covers.
        NOT_MEASURED: not checked, or the result is stale, partial or of something else.
        NOT_APPLICABLE: the check cannot exist here; the reason is derived.
        ERROR: the check could not run.
    """

    PASS = "pass"  # noqa: S105 (a verdict, no password)
    FAIL = "fail"
    WARN = "warn"
    WAIVED = "waived"
    NOT_MEASURED = "not_measured"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


# Only these let a release through.
RELEASING = (Verdict.PASS, Verdict.WAIVED)


def spelled(verdict: str) -> str:
    """The verdict for people, in words with spaces."""
    return verdict.replace("_", " ")
