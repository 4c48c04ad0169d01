"""Results of runs land in the warehouse once, and a broken rule is an alert with an owner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lab.postgres_server import PostgresServer
from mbp.cli import main as cli
from mbp.contracts import all_rules, load_contracts
from mbp.core import paths
from mbp.core.errors import EXIT_FINDINGS, MbpError
from mbp.quality.monitor import monitor_view
from mbp.quality.monitor.record import as_document, last_dbt_run, read_run
from mbp.runs.dbt_process import environment
from mbp.warehouse import connect
from tests.python.built import Built, copied

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


@pytest.fixture(params=["duckdb", "postgres"])
def target(
    request: pytest.FixtureRequest, built: Built, postgres_server: PostgresServer, tmp_path: Path
) -> Iterator[str]:
    cli.register()
    artifacts = str(built.artifacts(request.param))
    with (
        copied(built, postgres_server, request.param, tmp_path) as settings,
        environment({**settings, "DBT_TARGET": request.param, "DBT_TARGET_PATH": artifacts}),
    ):
        yield request.param


def mbp(*arguments: str) -> Result:
    result = CliRunner().invoke(cli.app, ["quality", *arguments])
    if isinstance(result.exception, MbpError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def record_green(target: str, folder: Path) -> Path:
    """The run that built the copy judged all rules: every test begins with its results."""
    file = folder / "run.json"
    file.write_text(json.dumps(as_document(last_dbt_run(paths.project_root(), target))))
    assert mbp("record", str(file)).exit_code == 0
    return file


def record_now(folder: Path) -> None:
    """Runs all rules on what the copy holds now."""
    file = folder / "now.json"
    file.write_text(mbp("run", "--format", "json").stdout)
    assert mbp("record", str(file)).exit_code == 0


def record_green_again(folder: Path) -> None:
    """The first run's results, as those of a run that has just ended."""
    run = json.loads((folder / "run.json").read_text())
    run.update(run_id=f"{run['run_id']}-again", executed_at=datetime.now(UTC).isoformat())
    file = folder / "again.json"
    file.write_text(json.dumps(run))
    assert mbp("record", str(file)).exit_code == 0


@pytest.mark.usefixtures("target")
def test_before_the_first_record_there_is_nothing_to_look_at() -> None:
    for verb in ("history", "monitor"):
        with pytest.raises(MbpError, match="nothing was recorded"):
            mbp(verb)


def test_what_was_recorded_is_shown_and_recording_twice_changes_nothing(
    target: str, project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = record_green(target, tmp_path)
    assert mbp("record", str(file)).exit_code == 0

    rules = {rule.id for rule in all_rules(load_contracts(project_root))}
    standing = json.loads(mbp("history", "--format", "json").stdout)
    assert {row["rule_id"] for row in standing} == rules
    assert {(row["last_verdict"], row["recent_runs"]) for row in standing} == {("pass", 1)}
    (one,) = json.loads(mbp("history", "mbp_quotes_fk", "--format", "json").stdout)
    assert (one["dataset"], one["engine"], one["verdict"]) == ("mbp_quotes", "dbt", "pass")
    assert (one["failing_rows"], one["dataset_rows"]) == (0, 4000)
    assert one["run_id"] == read_run(file).run_id
    calm = mbp("monitor")
    assert calm.exit_code == 0
    assert f"0 alerts; {len(rules)} rules, 1 recorded run" in calm.stdout

    # It passed on other rows: what the loaded source lacks is no pass, and it is said what that is.
    reason = "no mbp_quotes.twap_5m: no average is recorded"
    monkeypatch.setattr(monitor_view, "not_measurable", lambda *_: {"twap_bound": reason})
    standing = json.loads(mbp("history", "--format", "json").stdout)
    (lacking,) = [row for row in standing if row["last_verdict"] != "pass"]
    expected = ("twap_bound", "not_measured", reason)
    assert (lacking["rule_id"], lacking["last_verdict"], lacking["reason"]) == expected
    assert f"twap_bound: rule not measured: {reason}" in mbp("monitor").stdout


def test_a_rule_that_breaks_is_an_alert_with_its_owner_until_it_holds_again(
    target: str, project_root: Path, tmp_path: Path
) -> None:
    record_green(target, tmp_path)
    with connect(project_root, target) as warehouse:
        warehouse.execute("update marts.mbp_resolutions set rule_version = 'first'")
    record_now(tmp_path)
    alarm = mbp("monitor", "--format", "json")
    assert alarm.exit_code == EXIT_FINDINGS
    told = {(one["rule_id"], one["owner"]): one for one in json.loads(alarm.stdout)["alerts"]}
    assert set(told) == {
        ("mbp_resolutions_rule_version_pattern", "DATA"),
        ("mbp_resolutions_cdc_no_loss", "DATA"),
    }
    first = told["mbp_resolutions_rule_version_pattern", "DATA"]
    assert (first["kind"], first["severity"]) == ("rule broken", "error")
    assert first["detail"] == "dbt: fail, 7 rows"

    record_green_again(tmp_path)
    assert mbp("monitor").exit_code == 0
    runs = json.loads(
        mbp("history", "mbp_resolutions_rule_version_pattern", "--format", "json").stdout
    )
    assert [one["verdict"] for one in runs] == ["pass", "fail", "pass"]
    (standing,) = [
        row
        for row in json.loads(mbp("history", "--format", "json").stdout)
        if row["rule_id"] == "mbp_resolutions_rule_version_pattern"
    ]
    assert float(standing["pass_rate"]) == pytest.approx(2 / 3, abs=1e-6)
    assert standing["failing_since"] is None


def test_a_rule_that_nobody_ran_for_a_day_is_an_alert(
    target: str, project_root: Path, tmp_path: Path
) -> None:
    record_green(target, tmp_path)
    with connect(project_root, target) as warehouse:
        warehouse.execute(
            "update reliability.dq_results set executed_at = executed_at - interval '25 hours'"
            " where rule_id = 'twap_bound'"
        )
        warehouse.execute(
            "delete from reliability.dq_results where rule_id = 'mbp_markets_freshness'"
        )
    alarm = mbp("monitor")
    assert alarm.exit_code == EXIT_FINDINGS
    assert "twap_bound: rule not run: last run 25 hours ago" in alarm.stdout
    assert "mbp_markets_freshness: rule not run: never run [since never]" in alarm.stdout
    assert "2 alerts" in alarm.stdout


@pytest.mark.parametrize("target", ["duckdb"], indirect=True)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda run: run.update(results=[]), "it holds no result"),
        (lambda run: run["results"][0].update(verdict="perhaps"), "unknown engine or verdict"),
        (lambda run: run.pop("run_id"), "KeyError: 'run_id'"),
        (lambda run: run.update(executed_at="2026-01-05T00:00:00"), "has no offset"),
        (lambda run: run["results"][0].update(rule_id="nonsense"), "no contract has the rule"),
        (lambda run: run["results"][0].update(colour="red"), "unexpected keyword"),
    ],
)
def test_a_file_that_is_no_run_is_refused_and_nothing_is_written(
    target: str, project_root: Path, tmp_path: Path, change: object, told: str
) -> None:
    file = tmp_path / "run.json"
    result = {
        "rule_id": "twap_bound",
        "dataset": "mbp_quotes",
        "engine": "dbt",
        "verdict": "pass",
        "failing_rows": 0,
        "duration_seconds": 0.1,
        "native": True,
        "reason": "",
        "sample": [],
    }
    run = {
        "run_id": "r1",
        "target": target,
        "executed_at": "2026-01-05T00:00:00+00:00",
        "commit_sha": None,
        "results": [result],
    }
    change(run)  # type: ignore[operator]
    file.write_text(json.dumps(run))
    with pytest.raises(MbpError, match=told):
        mbp("record", str(file))
    with connect(project_root, target, read_only=True) as warehouse:
        assert warehouse.query("select count(*) from reliability.dq_results")[1] == [(0,)]


@pytest.mark.parametrize("target", ["duckdb"], indirect=True)
def test_unknown_rules_and_absent_files_are_told(target: str, tmp_path: Path) -> None:
    record_green(target, tmp_path)
    with pytest.raises(MbpError, match="no contract has the rule 'mbp_quotes_fkk'"):
        mbp("history", "mbp_quotes_fkk")
    with pytest.raises(MbpError, match="cannot be read"):
        mbp("record", str(tmp_path / "absent.json"))
