"""The report of `mbp exercise`: each exercise as it last ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mbp.core import moments
from mbp.core.errors import MbpError
from mbp.runs.envelope import Evidence

NAME = "exercises"


def content(runs: Sequence[Mapping[str, Any]], defined: Sequence[str]) -> dict[str, Any]:
    """What `mbp exercise` writes.

    Args:
        runs: each exercise as it last ran.
        defined: ids of all exercises of the file.
    """
    return {NAME: list(runs), "defined": list(defined)}


def runs(evidence: Evidence) -> Mapping[str, Mapping[str, Any]]:
    """Exercise -> its last run.

    Raises:
        MbpError: it is not what `mbp exercise` writes.
    """
    try:
        return {str(result["id"]): result for result in evidence.content[NAME]}
    except (KeyError, TypeError) as error:
        raise no_report(evidence, error) from error


def time_problem(run: Mapping[str, Any], now: datetime) -> str | None:
    """Why the time of a run counts for nothing; None when it is known and not of the future."""
    try:
        why = moments.objection(datetime.fromisoformat(str(run["ran_at"])), now, None)
    except (KeyError, ValueError, TypeError):
        return "does not say when it ran"
    return f"ran {why}" if why else None


def no_report(evidence: Evidence, error: Exception) -> MbpError:
    """What to raise when an entry lacks what a reader of it needs."""
    what = f"is not a report of exercises ({type(error).__name__}: {error})"
    return MbpError(what, path=evidence.path, fix="run `mbp exercise --all`")
