"""contracts/a110/exercises.yaml: every fault is injected for real, and what really happened is judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lab.exercises import judge
from lab.exercises.judge import ExerciseJudgement
from lab.exercises.mutations import mutated
from lab.exercises.project_copy import ProjectCopy, first_world, forget
from mbp.contracts.exercises import FILE, Exercise, load_exercises
from mbp.contracts.hook_policy import HookPolicy, demand_whole, load_hooks
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.paths import inside
from mbp.core.schema_check import did_you_mean
from mbp.core.wording import few
from mbp.runs import envelope

Say = Callable[[str], None]


@dataclass(frozen=True)
class ExerciseResult:
    """What came of one exercise.

    Attributes:
        problems: empty when everything happened as it should, and nothing else did.
        decision_seconds: machine time from the injection to the decision, measurements included.
        detect_seconds, recover_seconds: in the time of the world; None where it was not reached.
        mutants: description of a weakened hook -> True when the exercise then failed, as it must.
    """

    id: str
    what: str
    problems: Sequence[str]
    decisions: Sequence[Mapping[str, Any]]
    decision_seconds: float
    detect_seconds: float | None
    recover_seconds: float | None
    mutants: Mapping[str, bool]

    @property
    def passed(self) -> bool:
        """Everything expected happened, and no weakened hook went unnoticed."""
        return not self.problems and all(self.mutants.values())


def exercise(
    root: Path, chosen: Sequence[str], say: Say, *, mutations: bool = False
) -> list[ExerciseResult]:
    """Runs exercises with their controls, and writes the report.

    Args:
        chosen: ids; all without one.
        mutations: also weaken each expected hook in turn and see the exercise fail.

    Raises:
        MbpError: the hooks or the exercises are wrong, or the project cannot be built.
    """
    begun = envelope.begin(root)
    policy = demand_whole(load_hooks(root))
    every = load_exercises(root, policy)
    names = [exercise.id for exercise in every]
    for name in chosen:
        if name not in names:
            raise MbpError(f"no exercise {name!r}", path=FILE, fix=did_you_mean(name, names))
    wanted = [exercise for exercise in every if not chosen or exercise.id in chosen]
    with TemporaryDirectory(prefix="mbp-exercise-") as folder:
        results = list(_all(root, Path(folder), policy, wanted, say, mutations))
    judge.write_report(begun, policy, every, results)
    return results


def _all(
    root: Path,
    folder: Path,
    policy: HookPolicy,
    wanted: Sequence[Exercise],
    say: Say,
    mutations: bool,
) -> Iterator[ExerciseResult]:
    moments = sorted({exercise.at for exercise in wanted})
    say(f"building the world of {moments[0]}")
    world = first_world(root, folder / "first", moments[0])
    with world.inside():
        judge.pretend_exercised(world.root, policy)
    world.collect()
    forget(world)
    for number, moment in enumerate(moments):
        if number:
            world = world.copy(folder / f"control-{number}").advanced(moment)
        control = world.watch()
        problems = judge.control_problems(control)
        say(f"control at {moment}: {few(problems)}")
        for exercise in wanted:
            if exercise.at == moment:
                yield _result(
                    world, folder / exercise.id, policy, exercise, problems, say, mutations
                )


def _result(
    control: ProjectCopy,
    folder: Path,
    policy: HookPolicy,
    exercise: Exercise,
    problems: Sequence[str],
    say: Say,
    mutations: bool,
) -> ExerciseResult:
    world = control.copy(folder)
    started = time.perf_counter()
    _inject(world, exercise)
    if exercise.rerun == "models":
        world.measure()
    elif exercise.rerun == "build":
        world.build()
    if exercise.collect:
        world.collect()
    faulted = world.copy(folder.with_name(f"{exercise.id}-kept")) if mutations else None
    watched = world.watch()
    seconds = time.perf_counter() - started
    judged = judge.judge(
        world, policy, watched, exercise.expect, exercise.also, exercise.detect_within_seconds
    )
    judged = ExerciseJudgement(
        [*(f"control: {problem}" for problem in problems), *judged.problems], judged.decisions
    )
    recover_seconds = None
    if exercise.recovers_at and not judged.problems:
        after = world.advanced(exercise.recovers_at).watch()
        recover_seconds, messages = judge.recovery(
            after, judged.decisions, exercise.recover_within_seconds
        )
        messages += judge.readers_problems(world, None)
        judged = ExerciseJudgement([*judged.problems, *messages], judged.decisions)
    detected = [float(decision["detect_seconds"]) for decision in judged.decisions]
    mutants: dict[str, bool] = {}
    if faulted is not None:
        mutants = mutated(
            faulted, policy, exercise.expect, exercise.also, exercise.detect_within_seconds
        )
    result = ExerciseResult(
        exercise.id,
        exercise.what,
        judged.problems,
        judged.decisions,
        round(seconds, 2),
        max(detected, default=None),
        recover_seconds,
        mutants,
    )
    say(f"{exercise.id}: {'passed' if result.passed else 'FAILED'} in {seconds:.1f} s")
    return result


def _inject(world: ProjectCopy, exercise: Exercise) -> None:
    world.inject(exercise.sql)
    if exercise.edit:
        path = inside(world.root, exercise.edit.file, path=FILE)
        text = path.read_text(encoding="utf-8")
        if exercise.edit.find not in text:
            raise MbpError(
                f"{exercise.id}: {exercise.edit.find!r} is not there to be replaced",
                path=exercise.edit.file,
                fix=f"correct `edit` in {FILE}",
            )
        write_text(path, text.replace(exercise.edit.find, exercise.edit.replace, 1))
    if exercise.drop_hook:
        drop_hook(world.root, exercise.drop_hook)


def drop_hook(root: Path, hook_id: str) -> None:
    """Takes a hook out of hooks.yaml of a copy."""
    judge.change_hooks(root, lambda hooks: [hook for hook in hooks if hook["id"] != hook_id])


def as_table(results: Sequence[ExerciseResult]) -> str:
    """A line per exercise, and what was wrong."""
    lines = [
        f"{'exercise':<20} {'verdict':<8} {'decided in':>10} {'detected':>9} {'recovered':>10}  decisions"
    ]
    for result in results:
        decisions = "; ".join(f"{made['action']} ({made['owner']})" for made in result.decisions)
        lines.append(
            f"{result.id:<20} {'passed' if result.passed else 'FAILED':<8} {result.decision_seconds:>8.1f} s"
            f" {_seconds(result.detect_seconds):>9} {_seconds(result.recover_seconds):>10}  {decisions}"
        )
        lines += [f"    {problem}" for problem in result.problems]
        lines += [
            f"    the mutant survived: {name}" for name, died in result.mutants.items() if not died
        ]
    mutants = [died for exercise_result in results for died in exercise_result.mutants.values()]
    message = f", {sum(mutants)} of {len(mutants)} mutants killed" if mutants else ""
    passed = sum(exercise_result.passed for exercise_result in results)
    lines.append(f"{passed} of {len(results)} exercises passed{message}")
    return "\n".join(lines) + "\n"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"
