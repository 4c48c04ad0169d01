"""Runs cases of other projects through the engine and counts where the verdicts agree."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.suites import NotExpressible, json_schemas, logical_tables
from mbp.contracts.compatibility.change_model import Compatibility
from mbp.contracts.compatibility.diff import ReaderPolicy, diff, verdicts
from mbp.core.errors import MbpError
from mbp.core.yaml_io import loads, plain

FORMATS = ("odcs", "logical-table", "jsonschema")
OUTCOMES = ("agree", "looser", "stricter", "unknown", "not expressible", "not read")


@dataclass(frozen=True)
class Scored:
    """One direction of one case.

    Attributes:
        outcome: looser: we allow what they break on; stricter: the reverse; not read: the case itself
            cannot be judged.
        codes: of the changes that decided.
    """

    suite: str
    case: str
    direction: str
    expected: str
    actual: str
    outcome: str
    codes: tuple[str, ...]
    note: str = ""


def read_cases(path: Path) -> list[dict[str, Any]]:
    """The cases of a file with one JSON object a line.

    Raises:
        MbpError: the file cannot be read, holds no case, or a line is no JSON object.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MbpError("cannot read the cases", path=path, fix="name a .jsonl file") from error
    cases: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            case = json.loads(line)
        except json.JSONDecodeError as error:
            raise MbpError(
                f"not JSON: {error.msg}", path=path, line=number, fix="one JSON object per line"
            ) from error
        if not isinstance(case, dict) or "format" not in case:
            raise MbpError(
                "expected a case with a 'format'",
                path=path,
                line=number,
                fix="name the format of the case",
            )
        cases.append(case)
    if not cases:
        raise MbpError("no case in the file", path=path, fix="name a .jsonl file with cases")
    return cases


def score(cases: Iterable[Mapping[str, Any]]) -> list[Scored]:
    """Every direction that a case has a verdict for."""
    return [scored for case in cases for scored in _scored(case)]


def counts(scored: Iterable[Scored]) -> dict[str, dict[str, int]]:
    """Suite -> outcome -> how many."""
    results: dict[str, Counter[str]] = {}
    for score in scored:
        results.setdefault(score.suite, Counter())[score.outcome] += 1
    return {suite: {name: count[name] for name in OUTCOMES} for suite, count in results.items()}


def _scored(case: Mapping[str, Any]) -> list[Scored]:
    suite, name = str(case.get("suite", case["format"])), str(case.get("id", ""))
    if case["format"] not in FORMATS:
        raise MbpError(f"unknown format {case['format']!r}", fix=f"one of {', '.join(FORMATS)}")
    wanted = _wanted(case)

    def apart(outcome: str, why: str) -> list[Scored]:
        return [
            Scored(suite, name, direction, verdict, "", outcome, (), why)
            for direction, verdict in wanted.items()
        ]

    try:
        old, new, policy = _contracts(case)
        changes = diff(old, new, policy, witnesses=False)
    except NotExpressible as error:
        return apart("not expressible", str(error))
    except Exception as error:  # one case never ends the run of all others
        return apart("not read", f"{type(error).__name__}: {error}")
    both = verdicts(changes)
    scoreds: list[Scored] = []
    for direction, message in wanted.items():
        verdict: Compatibility = getattr(both, direction)
        codes = tuple(
            sorted(
                {
                    change.code
                    for change in changes
                    if getattr(change, direction) is not Compatibility.OK
                }
            )
        )
        outcome = (
            "agree"
            if verdict.value == message
            else (
                "unknown"
                if verdict is Compatibility.UNKNOWN
                else "looser"
                if verdict is Compatibility.OK
                else "stricter"
            )
        )
        scoreds.append(Scored(suite, name, direction, message, verdict.value, outcome, codes))
    return scoreds


def _wanted(case: Mapping[str, Any]) -> dict[str, str]:
    """Direction -> 'ok' or 'break'."""
    results = {True: "ok", False: "break"}
    if case["format"] == "odcs":
        # A consumer is broken by what new data may do, a producer by what old data may not do.
        direction = "forward" if case.get("perspective", "consumer") == "consumer" else "backward"
        return {direction: results[not case["is_breaking"]]}
    return {
        direction: results[bool(case[direction])]
        for direction in ("backward", "forward")
        if case.get(direction) is not None
    }


def _contracts(case: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], ReaderPolicy]:
    if case["format"] == "odcs":
        old, new = (plain(loads(case[side], shown_as=side)) for side in ("old", "new"))
        return old, new, ReaderPolicy()
    if case["format"] == "logical-table":
        return logical_tables.pair(case)
    return (*json_schemas.pair(case), ReaderPolicy())
