"""contracts/a110/exercises.yaml, read strictly and with line numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mbp.contracts.hook_policy import HookPolicy
from mbp.contracts.sheet import NAME, WHOLE
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.schema_check import TEXT, check, closed, did_you_mean
from mbp.core.sql_guard import demand_change
from mbp.core.yaml_io import line_of, load


@dataclass(frozen=True)
class ExpectedDecision:
    """A decision that must be made."""

    hook: str
    entity: str = WHOLE
    reason: str = "breach"


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


@dataclass(frozen=True)
class Exercise:
    """One entry of the file; see its head for the keys."""

    id: str
    what: str
    at: str
    rerun: str
    expect: tuple[ExpectedDecision, ...]
    detect_within_seconds: int | None = None
    sql: tuple[str, ...] = ()
    edit: Mapping[str, str] | None = None
    drop_hook: str | None = None
    collect: bool = False
    also: tuple[str, ...] = ()
    recovers_at: str | None = None
    recover_within_seconds: int | None = None


def load_exercises(root: Path, policy: HookPolicy) -> list[Exercise]:
    """Reads the exercises.

    Raises:
        MbpError: missing or wrong, a hook that is not there, or a hook that no exercise expects anything of.
    """
    path = shown(root / FILE, root)
    document = load(root / FILE, shown_as=path)
    value = check(document, SCHEMA, path)
    exercises: dict[str, Exercise] = {}
    for index, entry in enumerate(value["exercises"]):
        node = document["exercises"][index]
        line = line_of(node, "id")
        if entry["id"] in exercises:
            raise MbpError(f"{entry['id']} appears twice", path=path, line=line, fix="keep one")
        if not {"sql", "edit", "drop_hook"} & entry.keys():
            what = f"{entry['id']} injects nothing"
            raise MbpError(what, path=path, line=line, fix="give it sql, edit or drop_hook")
        expect = tuple(ExpectedDecision(**decision) for decision in entry["expect"])
        for name in [expected_decision.hook for expected_decision in expect] + entry.get(
            "also", []
        ):
            if name not in policy.hooks:
                what = f"{entry['id']} names the hook {name!r}, which is not there"
                raise MbpError(what, path=path, line=line, fix=did_you_mean(name, policy.hooks))
        for statement in entry.get("sql", ()):
            demand_change(
                statement.format(mbp="sample_mbp", ops="sample_ops"), "duckdb", path=path, line=line
            )
        promised = all(
            policy.hooks[expected_decision.hook].rolls_back for expected_decision in expect
        )
        if "detect_within_seconds" not in entry and not promised:
            what = f"{entry['id']} says nothing of the time to detect"
            raise MbpError(what, path=path, line=line, fix="give it detect_within_seconds")
        lists = {key: tuple(entry[key]) for key in ("sql", "also") if key in entry}
        exercises[entry["id"]] = Exercise(**{**entry, **lists, "expect": expect})
    expected = {
        expected_decision.hook
        for exercise in exercises.values()
        for expected_decision in exercise.expect
    }
    for name in sorted(policy.hooks.keys() - expected):
        what = f"no exercise expects anything of the hook {name}"
        raise MbpError(what, path=path, fix="add one: an edge that was never tried is not there")
    return list(exercises.values())
