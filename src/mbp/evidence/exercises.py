"""The report of `mbp exercise`: each exercise as it last ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mbp.errors import MbpError
from mbp.evidence.envelope import Evidence

NAME = "exercises"


def content(runs: Sequence[Mapping[str, Any]], defined: Sequence[str]) -> dict[str, Any]:
    """What `mbp exercise` writes.

    Args:
        runs: each exercise as it last ran.
        defined: ids of all exercises of the file.
    """
    return {NAME: list(runs), "defined": list(defined)}


def runs(found: Evidence) -> Mapping[str, Mapping[str, Any]]:
    """Exercise -> its last run.

    Raises:
        MbpError: it is not what `mbp exercise` writes.
    """
    try:
        return {str(one["id"]): one for one in found.content[NAME]}
    except (KeyError, TypeError) as error:
        raise no_report(found, error) from error


def no_report(found: Evidence, error: Exception) -> MbpError:
    """What to raise when an entry lacks what a reader of it needs."""
    what = f"is not a report of exercises ({type(error).__name__}: {error})"
    return MbpError(what, path=found.path, cure="run `mbp exercise --all`")
