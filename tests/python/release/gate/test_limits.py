"""What was measured has its limit beside it, and what is over its limit fails, whoever wrote that it passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mbp.contracts.exercises import load_exercises
from mbp.contracts.hook_policy import load_hooks
from mbp.core.moments import dated
from mbp.release.gate import rules_evidence as rules

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def entry(detect_seconds: float, recover_seconds: float | None = None) -> dict[str, Any]:
    decision = {"hook": "cdc_delay", "action": "rollback", "reason": "breach"}
    return {
        "passed": True,
        "problems": [],
        "source": "x",
        "ran_at": NOW.isoformat(),
        "mutants_killed": {"removed": True},
        "decisions": [{**decision, "detect_seconds": detect_seconds}],
        "recover_seconds": recover_seconds,
    }


@pytest.fixture
def context(project_root: Path) -> Any:
    look = SimpleNamespace(policy=load_hooks(project_root))
    return SimpleNamespace(look=look, source=SimpleNamespace(digest="x"), now=NOW)


@pytest.mark.parametrize(
    ("ran", "late"),
    [
        (entry(600.0, 1200.0), []),
        (entry(601.0, 900.0), ["cdc_delay decided after 601 s (limit 600 s)"]),
        (entry(305.0, 1201.0), ["cdc_delay recovered after 1201 s (limit 1200 s)"]),
    ],
)
def test_the_limits_of_the_hooks_hold_for_exercises(
    context: Any, project_root: Path, ran: dict[str, Any], late: list[str]
) -> None:
    policy = context.look.policy
    limits = policy.limits["rollback_start_seconds"], policy.limits["cdc_recovery_seconds"]
    assert limits == (600, 1200)
    (exercise,) = [one for one in load_exercises(project_root, policy) if one.id == "cdc_delay"]
    assert list(rules._wrong(context, exercise, ran)) == late


def test_the_time_that_is_nearest_to_its_limit_is_shown(context: Any, project_root: Path) -> None:
    (exercise,) = [
        one for one in load_exercises(project_root, context.look.policy) if one.id == "cdc_delay"
    ]
    times = list(rules._times(context, exercise, entry(305.0, 900.0)))
    text = rules._counted(2, 3, times)
    assert text == "2 of 3; nearest to its limit: cdc_delay recovered after 900 s (limit 1200 s)"
    assert rules._counted(0, 3, ()) == "0 of 3"


def test_an_instant_has_the_limit_of_its_age_beside_it() -> None:
    limit, measured = timedelta(hours=24), NOW - timedelta(hours=3)
    words = f"of {measured:%Y-%m-%d %H:%M} UTC (limit 24 h)"
    assert dated(measured, NOW, limit) == words
    # The second pack of the same evidence says the same, whenever it is built.
    assert dated(measured, NOW + timedelta(hours=2), limit) == words
    assert dated(NOW + timedelta(hours=1), NOW, limit) == ""
