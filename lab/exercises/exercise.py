"""contracts/a110/exercises.yaml: every fault is injected for real, and what really happened is judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jsonschema import Draft201909Validator

from lab.exercises import judge
from lab.exercises.judge import Expected, Judgement
from lab.exercises.mutations import mutated
from lab.exercises.world import World, first_world, forget
from mbp.contracts.hook_policy import HookPolicy, demand_whole, load_hooks
from mbp.contracts.policy import TEXT, closed
from mbp.contracts.sheet import NAME
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.paths import inside, shown
from mbp.core.schema_check import check, did_you_mean
from mbp.core.sql_guard import demand_change
from mbp.core.yaml_io import line_of, load
from mbp.operate.hooks.collect import few
from mbp.runs import envelope

FILE = "contracts/a110/exercises.yaml"
INSTANT = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$"}
SECONDS = {"type": "integer", "minimum": 1}
SCHEMA = closed(
    {
        "version": {"const": 1},
        "exercises": {
            "type": "array",
            "minItems": 1,
            "items": closed(
                {
                    "id": NAME,
                    "what": TEXT,
                    "at": INSTANT,
                    "sql": {"type": "array", "minItems": 1, "items": TEXT},
                    "edit": closed({"file": TEXT, "find": TEXT, "replace": TEXT}),
                    "drop_hook": NAME,
                    "rerun": {"enum": ["models", "build", "nothing"]},
                    "collect": {"type": "boolean"},
                    "expect": {
                        "type": "array",
                        "minItems": 1,
                        "items": closed(
                            {
                                "hook": NAME,
                                "entity": TEXT,
                                "reason": {"enum": ["breach", "unknown"]},
                            },
                            optional=("entity", "reason"),
                        ),
                    },
                    "also": {"type": "array", "items": NAME},
                    "detect_within_seconds": SECONDS,
                    "recovers_at": INSTANT,
                    "recover_within_seconds": SECONDS,
                },
                optional=(
                    "sql",
                    "edit",
                    "drop_hook",
                    "collect",
                    "also",
                    "detect_within_seconds",
                    "recovers_at",
                    "recover_within_seconds",
                ),
            ),
        },
    }
)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Exercise:
    """One entry of the file; see its head for the keys."""

    id: str
    what: str
    at: str
    rerun: str
    expect: tuple[Expected, ...]
    detect_within_seconds: int | None = None
    sql: tuple[str, ...] = ()
    edit: Mapping[str, str] | None = None
    drop_hook: str | None = None
    collect: bool = False
    also: tuple[str, ...] = ()
    recovers_at: str | None = None
    recover_within_seconds: int | None = None


@dataclass(frozen=True)
class Result:
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


def load_exercises(root: Path, policy: HookPolicy) -> list[Exercise]:
    """Reads the exercises.

    Raises:
        MbpError: missing or wrong, a hook that is not there, or a hook that no exercise expects anything of.
    """
    path = shown(root / FILE, root)
    document = load(root / FILE, shown_as=path)
    value = check(document, Draft201909Validator(SCHEMA), path)
    found: dict[str, Exercise] = {}
    for index, entry in enumerate(value["exercises"]):
        node = document["exercises"][index]
        line = line_of(node, "id")
        if entry["id"] in found:
            raise MbpError(f"{entry['id']} stands twice", path=path, line=line, cure="keep one")
        if not {"sql", "edit", "drop_hook"} & entry.keys():
            what = f"{entry['id']} injects nothing"
            raise MbpError(what, path=path, line=line, cure="give it sql, edit or drop_hook")
        expect = tuple(Expected(**one) for one in entry["expect"])
        for name in [one.hook for one in expect] + entry.get("also", []):
            if name not in policy.hooks:
                what = f"{entry['id']} names the hook {name!r}, which is not there"
                raise MbpError(what, path=path, line=line, cure=did_you_mean(name, policy.hooks))
        for statement in entry.get("sql", ()):
            demand_change(
                statement.format(mbp="sample_mbp", ops="sample_ops"), "duckdb", path=path, line=line
            )
        promised = all(policy.hooks[one.hook].rolls_back for one in expect)
        if "detect_within_seconds" not in entry and not promised:
            what = f"{entry['id']} says nothing of the time to detect"
            raise MbpError(what, path=path, line=line, cure="give it detect_within_seconds")
        lists = {key: tuple(entry[key]) for key in ("sql", "also") if key in entry}
        found[entry["id"]] = Exercise(**{**entry, **lists, "expect": expect})
    expected = {one.hook for exercise in found.values() for one in exercise.expect}
    for name in sorted(policy.hooks.keys() - expected):
        what = f"no exercise expects anything of the hook {name}"
        raise MbpError(what, path=path, cure="add one: an edge that was never tried is not there")
    return list(found.values())


def exercise(
    root: Path, chosen: Sequence[str], say: Say, *, mutations: bool = False
) -> list[Result]:
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
    names = [one.id for one in every]
    for name in chosen:
        if name not in names:
            raise MbpError(f"no exercise {name!r}", path=FILE, cure=did_you_mean(name, names))
    wanted = [one for one in every if not chosen or one.id in chosen]
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
) -> Iterator[Result]:
    moments = sorted({one.at for one in wanted})
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
        for one in wanted:
            if one.at == moment:
                yield _one(world, folder / one.id, policy, one, problems, say, mutations)


def _one(
    control: World,
    folder: Path,
    policy: HookPolicy,
    one: Exercise,
    problems: Sequence[str],
    say: Say,
    mutations: bool,
) -> Result:
    world = control.copy(folder)
    started = time.perf_counter()
    _inject(world, one)
    if one.rerun == "models":
        world.measure()
    elif one.rerun == "build":
        world.build()
    if one.collect:
        world.collect()
    faulted = world.copy(folder.with_name(f"{one.id}-kept")) if mutations else None
    watched = world.watch()
    seconds = time.perf_counter() - started
    judged = judge.judge(world, policy, watched, one.expect, one.also, one.detect_within_seconds)
    judged = Judgement(
        [*(f"control: {told}" for told in problems), *judged.problems], judged.decisions
    )
    recover_seconds = None
    if one.recovers_at and not judged.problems:
        after = world.advanced(one.recovers_at).watch()
        recover_seconds, told = judge.recovery(after, judged.decisions, one.recover_within_seconds)
        told += judge.readers_problems(world, None)
        judged = Judgement([*judged.problems, *told], judged.decisions)
    detected = [float(decision["detect_seconds"]) for decision in judged.decisions]
    mutants: dict[str, bool] = {}
    if faulted is not None:
        mutants = mutated(faulted, policy, one.expect, one.also, one.detect_within_seconds)
    result = Result(
        one.id,
        one.what,
        judged.problems,
        judged.decisions,
        round(seconds, 2),
        max(detected, default=None),
        recover_seconds,
        mutants,
    )
    say(f"{one.id}: {'passed' if result.passed else 'FAILED'} in {seconds:.1f} s")
    return result


def _inject(world: World, one: Exercise) -> None:
    world.inject(one.sql)
    if one.edit:
        path = inside(world.root, one.edit["file"], path=FILE)
        text = path.read_text(encoding="utf-8")
        if one.edit["find"] not in text:
            raise MbpError(
                f"{one.id}: {one.edit['find']!r} is not there to be replaced",
                path=one.edit["file"],
                cure=f"correct `edit` in {FILE}",
            )
        write_text(path, text.replace(one.edit["find"], one.edit["replace"], 1))
    if one.drop_hook:
        drop_hook(world.root, one.drop_hook)


def drop_hook(root: Path, hook_id: str) -> None:
    """Takes a hook out of hooks.yaml of a copy."""
    judge.change_hooks(root, lambda hooks: [one for one in hooks if one["id"] != hook_id])


def as_table(results: Sequence[Result]) -> str:
    """A line per exercise, and what was wrong."""
    lines = [
        f"{'exercise':<20} {'verdict':<8} {'decided in':>10} {'detected':>9} {'recovered':>10}  decisions"
    ]
    for one in results:
        decisions = "; ".join(f"{made['action']} ({made['owner']})" for made in one.decisions)
        lines.append(
            f"{one.id:<20} {'passed' if one.passed else 'FAILED':<8} {one.decision_seconds:>8.1f} s"
            f" {_seconds(one.detect_seconds):>9} {_seconds(one.recover_seconds):>10}  {decisions}"
        )
        lines += [f"    {told}" for told in one.problems]
        lines += [
            f"    the mutant survived: {name}" for name, died in one.mutants.items() if not died
        ]
    mutants = [died for one in results for died in one.mutants.values()]
    told = f", {sum(mutants)} of {len(mutants)} mutants killed" if mutants else ""
    passed = sum(one.passed for one in results)
    lines.append(f"{passed} of {len(results)} exercises passed{told}")
    return "\n".join(lines) + "\n"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"
