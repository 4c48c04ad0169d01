"""The exercises' own rules. That all of them pass is a step of scripts/check; that no mutant lives, of the night."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mbp.contracts.exercises import FILE, load_exercises
from mbp.contracts.hook_policy import load_hooks
from mbp.core.errors import MbpError
from mbp.operate.hooks.hook_coverage import exercised_hooks
from mbp.runs import envelope


@pytest.fixture
def copy(project_root: Path, tmp_path: Path) -> Path:
    for part in ("contracts", "docs/runbooks", "models/marts/reliability"):
        shutil.copytree(project_root / part, tmp_path / part)
    return tmp_path


def test_every_hook_is_exercised(project_root: Path) -> None:
    policy = load_hooks(project_root)
    exercises = load_exercises(project_root, policy)
    assert {wanted.hook for one in exercises for wanted in one.expect} == set(policy.hooks)
    named = {"schema_drift", "data_contract_break", "dbt_failure", "cdc_delay", "dec_latency",
             "web_inp_regression", "price_spike", "abuse_burst", "resolution_delay", "audit_drop",
             "hook_removed", "telemetry_silent"}  # fmt: skip
    assert named <= {one.id for one in exercises}


@pytest.mark.parametrize(
    ("find", "replace", "told"),
    [
        ("- {hook: drift}", "- {hook: drfit}", "names the hook 'drfit'"),
        ("- {hook: market_silence}", "- {hook: thin_market}", "of the hook market_silence"),
        ("id: dbt_failure", "id: cdc_delay", "appears twice"),
        ("    drop_hook: thin_market\n", "", "injects nothing"),
        ("rerun: build", "rerun: all", "expected one of"),
        ('at: "2026-01-06 18:00:05"', 'at: "tea time"', "expected text like"),
    ],
)
def test_a_wrong_exercise_is_refused(copy: Path, find: str, replace: str, told: str) -> None:
    path = copy / FILE
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, replace, 1))
    with pytest.raises(MbpError, match=told) as caught:
        load_exercises(copy, load_hooks(copy))
    assert caught.value.path == FILE


def test_a_report_that_is_none_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path))
    assert exercised_hooks(tmp_path) == {}
    path = tmp_path / "evidence" / "exercises.json"
    path.parent.mkdir()
    for text in ("{", "[]", "{}", '{"exercises": [{"passed": true}]}'):
        path.write_text(text)
        with pytest.raises(MbpError, match="is not valid evidence"):
            exercised_hooks(tmp_path)

    def report(*entries: dict[str, object]) -> None:
        content = {"exercises": list(entries), "defined": ["x"]}
        begun = envelope.begin(tmp_path)
        envelope.write(begun, "exercises", summary="all", content=content)

    report({"passed": True})
    assert exercised_hooks(tmp_path) == {}, "not measured: an entry without a name"
    ran_at = datetime.now(UTC).isoformat()
    entry = {"id": "x", "passed": False, "hooks": {"drift": "hash"}, "ran_at": ran_at}
    report(entry)
    assert exercised_hooks(tmp_path) == {}
    report({**entry, "passed": True, "problems": ["it was late"]})
    assert exercised_hooks(tmp_path) == {}
    report({**entry, "passed": True})
    assert exercised_hooks(tmp_path) == {"drift": ["hash"]}
