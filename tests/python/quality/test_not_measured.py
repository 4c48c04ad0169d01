"""A rule that the loaded source cannot show is neither held nor broken, wherever its verdict is read."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mbp.cli import main as cli
from mbp.contracts import all_rules, load_contracts
from mbp.contracts.hook_policy import load_hooks
from mbp.core.verdict import Verdict
from mbp.operate.degrade import reader_snapshot
from mbp.operate.degrade.switch import RefusedSwitchError
from mbp.operate.hooks import kpi_collect
from mbp.quality import failures
from mbp.quality.enforcement import engine_runs as enforcing
from mbp.quality.enforcement.results import RuleResult
from mbp.quality.failures import LastRun
from mbp.quality.rule_findings import UNMEASURED, RuleVerdict
from mbp.release.ci import ci_steps as ci_rules
from mbp.runs.claims import Claim
from mbp.runs.derive import derive

ABSENT = ("closed_market_no_trades", "twap_reconciles")
WARNING = "liquidity_floor"
REASON = "the source has no depth_2pct"


@pytest.fixture
def folder(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MBP_RAW", raising=False)
    monkeypatch.setenv("MBP_PROJECT_DIR", str(project_root))
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path))
    return tmp_path


def command(*arguments: str) -> Result:
    cli.register()
    return CliRunner().invoke(cli.app, list(arguments))


def all_pass_but(
    folder: Path,
    project_root: Path,
    artifacts: Any,
    monkeypatch: pytest.MonkeyPatch,
    absent: Collection[str],
    broken: Collection[str] = (),
) -> None:
    """A run of dbt of the project as it is, on a source that lacks what the rules `absent` read."""
    for rule in all_rules(load_contracts(project_root)):
        severity = "warn" if rule.severity == "warning" else "error"
        status = "fail" if rule.id in broken else "pass"
        artifacts.test(rule.id, status, severity=severity, failures=1, in_contract=False)
    for name in ("manifest", "run_results"):
        document = getattr(artifacts, name)
        document["metadata"]["generated_at"] = datetime.now(UTC).isoformat()
        (folder / f"{name}.json").write_text(json.dumps(document))
    monkeypatch.setattr(failures, "not_measurable", lambda *_: dict.fromkeys(absent, REASON))
    # Of which warehouse and source a run is, is shown in tests/python/runs/test_measured_of.py.
    monkeypatch.setattr(failures, "connect", lambda *_, **__: nullcontext())
    monkeypatch.setattr(failures, "read_control", lambda _: None)
    monkeypatch.setattr(failures, "source_facts", lambda *_: None)
    monkeypatch.setattr(failures, "claim_of_run", lambda *_, **__: claim_of_now())
    monkeypatch.setattr(failures, "objections", lambda *_: [])


def claim_of_now() -> Claim:
    now = datetime.now(UTC)
    return Claim(now, now, invocation="run")


@pytest.mark.parametrize(
    ("absent", "broken", "code"),
    [
        ((), (), 0),
        (ABSENT, (), 2),
        ((WARNING,), (), 0),
        (ABSENT, ("mbp_quotes_fk",), 1),
    ],
)
def test_failures(
    folder: Path,
    project_root: Path,
    artifacts: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    absent: tuple[str, ...],
    broken: tuple[str, ...],
    code: int,
) -> None:
    all_pass_but(folder, project_root, artifacts, monkeypatch, absent, broken)
    result = command("quality", "failures", "--limit", "0")
    assert result.exit_code == code, result.output
    assert (f"{len(absent)} NOT MEASURED" in result.stdout) is bool(absent)
    found = ci_rules.look(project_root, None, "b" * 40, 0)
    assert found.broken is bool(broken)
    assert found.blind is bool(absent)


def verdict_of(word: str) -> tuple[Any, ...]:
    """The end of a finding: its verdict, or the reason of `UNMEASURED` why there is none."""
    if word in UNMEASURED:
        return Verdict.NOT_MEASURED, None, "", "", None, (), word
    return Verdict(word), None, "", "", None


def last_run(project_root: Path, verdicts: dict[str, str]) -> LastRun:
    contracts = load_contracts(project_root)
    findings = [
        RuleVerdict(
            rule.id, rule.dataset, rule.owner,
            "warning" if rule.severity == "warning" else "error",
            "A89", rule.family, *verdict_of(verdicts.get(rule.id, "pass")),
        )
        for rule in all_rules(contracts)
    ]  # fmt: skip
    return LastRun(
        {}, {"metadata": {"invocation_id": "run"}}, contracts, findings, claim_of_now(), []
    )


# (verdicts other than pass, rules under a waiver, value of the KPI, verdict of the measurement)
KPI: list[tuple[dict[str, str], Collection[str], int | None, str]] = [
    ({}, (), 0, "pass"),
    ({WARNING: "source"}, (), 0, "pass"),
    (dict.fromkeys(ABSENT, "source"), (), None, "not_measured"),
    (dict.fromkeys(ABSENT, "source"), ABSENT[:1], None, "not_measured"),
    (dict.fromkeys(ABSENT, "source"), ABSENT, 0, "not_measured"),
    ({ABSENT[0]: "source", ABSENT[1]: "fail"}, (), 1, "fail"),
    ({ABSENT[0]: "not_run"}, ABSENT, 1, "fail"),
]


@pytest.mark.parametrize(("verdicts", "waived", "value", "verdict"), KPI)
def test_the_kpi_has_no_value_until_each_rule_is_measured_or_waived(
    project_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    verdicts: dict[str, str],
    waived: Collection[str],
    value: int | None,
    verdict: str,
) -> None:
    monkeypatch.setattr(
        kpi_collect, "findings_of_last_run", lambda *_, **__: last_run(project_root, verdicts)
    )
    found = kpi_collect.data_contract_break(
        project_root, "duckdb", lambda _, rules: frozenset(waived) & frozenset(rules)
    )
    assert found.value == value
    kpi = load_hooks(project_root).sheet.kpis[found.kpi_id]
    assert derive(found.kpi_id, {**vars(found), **kpi_collect.target_of(kpi)}).verdict == verdict
    unmeasured = sum(one == "source" for name, one in verdicts.items() if name != WARNING)
    assert (f"{unmeasured} of " in found.detail) is bool(unmeasured)


def test_no_snapshot_is_taken_of_rows_that_nobody_could_judge(
    project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = {ABSENT[0]: "source"}
    monkeypatch.setattr(
        reader_snapshot, "findings_of_last_run", lambda *_: last_run(project_root, verdicts)
    )
    with pytest.raises(RefusedSwitchError, match=f"{ABSENT[0]}: not measured"):
        reader_snapshot.green_build(project_root, "duckdb")
    build = reader_snapshot.green_build(project_root, "duckdb", lambda _, rules: frozenset(rules))
    assert build[1] == "run"


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ({}, 0),
        ({ABSENT[0]: "source"}, 2),
        ({WARNING: "source"}, 0),
        ({ABSENT[0]: "source", ABSENT[1]: "fail"}, 1),
    ],
)
def test_a_run_of_the_engines(
    folder: Path,
    project_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    verdicts: dict[str, Any],
    code: int,
) -> None:
    del folder
    results = [
        RuleResult(rule.id, rule.dataset, "dbt", verdict_of(verdicts.get(rule.id, "pass"))[0])
        for rule in all_rules(load_contracts(project_root))
    ]
    monkeypatch.setattr(enforcing, "run", lambda *_, **__: results)
    result = command("quality", "run", "--format", "json")
    assert result.exit_code == code, result.output
    document = json.loads(result.stdout)
    assert document["passed"] is (code == 0)
    assert document["not_measured"] == ([ABSENT[0]] if ABSENT[0] in verdicts else [])
