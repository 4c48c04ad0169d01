"""The one vocabulary of verdicts: in code, in JSON and in the warehouse; `spelled` writes it for people."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any


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


# How a target is written -> the comparison of a value with its bound.
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
}
# Only these let a release through.
RELEASING = (Verdict.PASS, Verdict.WAIVED)

# The answers of a gate. A rehearsal: everything holds but the checks that ask for production itself.
GO, REHEARSAL, NO_GO = "go", "rehearsal", "no-go"


def gate_verdict(results: Iterable[Mapping[str, Any]]) -> str:
    """The answer of a gate: `go` only when every check passed or is waived, and there was something to check.

    Args:
        results: checks as documents of a report: `verdict`, and `rehearsal` where a rehearsal may go without it.
    """
    judged = list(results)
    blocking = [result for result in judged if result["verdict"] not in RELEASING]
    if not judged or any(not result.get("rehearsal") for result in blocking):
        return NO_GO
    return REHEARSAL if blocking else GO


def spelled(verdict: str) -> str:
    """The verdict for people, in words with spaces."""
    return verdict.replace("_", " ")
