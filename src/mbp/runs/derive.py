"""The verdict of a measurement, derived from the content beside it: counts, findings, results.

One function per measurement. `mbp.runs.envelope` writes what it gives; the gate and `mbp evidence verify` derive
again and refuse a file whose verdict does not follow. A measurement without a function here is not measured.
Nothing here knows dbt, a warehouse or a project folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mbp.core.verdict import Verdict

# They register their functions.
from mbp.runs import derive_runs, derive_scans  # noqa: F401
from mbp.runs.derivation import DERIVATIONS, Content, Derivation, ReadFile, UnmeasuredError

# What a measurement can be.
DERIVED = (Verdict.PASS, Verdict.FAIL, Verdict.NOT_MEASURED)


@dataclass(frozen=True)
class DerivedVerdict:
    """A verdict, why it is no pass (empty when it is one), and how many problems make it fail."""

    verdict: Verdict
    reason: str = ""
    findings: int = 0


def derive(name: str, content: Content, read_file: ReadFile = lambda _: None) -> DerivedVerdict:
    """The verdict of the measurement `name` by its content.

    Args:
        read_file: for files that the content names by path and SHA-256.
    """
    function = _derivation_of(name)
    if function is None:
        return DerivedVerdict(
            Verdict.NOT_MEASURED, f"unknown measurement {name!r}: no rule derives its verdict"
        )
    try:
        problems = function(content, read_file)
    except UnmeasuredError as error:
        return DerivedVerdict(Verdict.NOT_MEASURED, str(error))
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        return DerivedVerdict(
            Verdict.NOT_MEASURED, f"its content is incomplete ({type(error).__name__}: {error})"
        )
    if problems:
        return DerivedVerdict(Verdict.FAIL, problems[0], len(problems))
    return DerivedVerdict(Verdict.PASS)


def contradiction(document: Mapping[str, Any], read_file: ReadFile) -> str | None:
    """Why the verdict of a measurement file does not follow from its content; None when it does."""
    if document["source"] != document["source_after"]:
        return None  # void, whatever it says: `mbp.runs.claims` refuses it
    derived = derive(str(document["name"]), document["content"], read_file)
    if derived.verdict == document["verdict"]:
        return None
    reason = f": {derived.reason}" if derived.reason else ""
    return f"says {document['verdict']}, its content gives {derived.verdict}{reason}"


def _derivation_of(name: str) -> Derivation | None:
    if name in DERIVATIONS:
        return DERIVATIONS[name]
    prefix = next(
        (
            derivation
            for derivation in DERIVATIONS
            if derivation.endswith("_") and name.startswith(derivation)
        ),
        None,
    )
    return DERIVATIONS[prefix] if prefix else None
