"""contracts/a110/exercises.yaml, read strictly and with line numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from mbp.contracts.hook_policy import HookPolicy
from mbp.contracts.sheet import WHOLE
from mbp.core.errors import MbpError
from mbp.core.forms import SOME, Name, Narrowed, Positive, Version, read_as
from mbp.core.schema_check import did_you_mean, wrong_at
from mbp.core.sql_guard import demand_change
from mbp.core.yaml_io import line_of

FILE = "contracts/a110/exercises.yaml"
Instant = Annotated[
    str, Narrowed(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$")
]


@dataclass(frozen=True)
class Edit:
    """A text of a file that is replaced."""

    file: str
    find: str
    replace: str


@dataclass(frozen=True)
class ExpectedDecision:
    """A decision that must be made."""

    hook: Name
    entity: str = WHOLE
    reason: Literal["breach", "unknown"] = "breach"


@dataclass(frozen=True)
class Exercise:
    """One entry of the file; see its head for the keys."""

    id: Name
    what: str
    at: Instant
    rerun: Literal["models", "build", "nothing"]
    expect: Annotated[tuple[ExpectedDecision, ...], SOME]
    detect_within_seconds: Positive | None = None
    sql: Annotated[tuple[str, ...], SOME] = ()
    edit: Edit | None = None
    drop_hook: Name | None = None
    collect: bool = False
    also: tuple[Name, ...] = ()
    recovers_at: Instant | None = None
    recover_within_seconds: Positive | None = None


@dataclass(frozen=True)
class ExerciseFile:
    """The whole file."""

    version: Version
    exercises: Annotated[tuple[Exercise, ...], SOME]


def load_exercises(root: Path, policy: HookPolicy) -> list[Exercise]:
    """Reads the exercises.

    Raises:
        MbpError: missing or wrong, a hook that is not there, or a hook that no exercise expects anything of.
    """
    document, form = read_as(ExerciseFile, root, FILE)
    seen: set[str] = set()
    for node, exercise in zip(document["exercises"], form.exercises, strict=True):
        for what, fix in _wrong(exercise, policy, seen):
            raise wrong_at(node, "id", FILE, f"{exercise.id} {what}", fix)
        for statement in exercise.sql:
            sql = statement.format(mbp="sample_mbp", ops="sample_ops")
            demand_change(sql, "duckdb", path=FILE, line=line_of(node, "id"))
        seen.add(exercise.id)
    expected = {decision.hook for each in form.exercises for decision in each.expect}
    for name in sorted(policy.hooks.keys() - expected):
        what = f"no exercise expects anything of the hook {name}"
        raise MbpError(what, path=FILE, fix="add one: an edge that was never tried is not there")
    return list(form.exercises)


def _wrong(
    exercise: Exercise, policy: HookPolicy, seen: Collection[str]
) -> Iterator[tuple[str, str]]:
    """(what is wrong, fix), the first one first."""
    if exercise.id in seen:
        yield "appears twice", "keep one"
    if not (exercise.sql or exercise.edit or exercise.drop_hook):
        yield "injects nothing", "give it sql, edit or drop_hook"
    for name in (*(decision.hook for decision in exercise.expect), *exercise.also):
        if name not in policy.hooks:
            yield f"names the hook {name!r}, which is not there", did_you_mean(name, policy.hooks)
    promised = all(policy.hooks[decision.hook].rolls_back for decision in exercise.expect)
    if exercise.detect_within_seconds is None and not promised:
        yield "says nothing of the time to detect", "give it detect_within_seconds"
