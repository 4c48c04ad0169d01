"""From a measurement to what is done about it, on both engines."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.postgres_server import PostgresServer
from mbp.cli.main import app, register
from mbp.core.errors import MbpError
from mbp.core.paths import StateFolder
from mbp.operate.hooks.hook_state import LockOf, OpenBlock, read_lock, write_lock
from mbp.operate.hooks.kpi_collect import collect
from mbp.operate.hooks.outbox import pending
from mbp.runs.run_control import warehouse_id
from mbp.runs.working_copy import source_of
from tests.python.built import Built
from tests.python.operate.hooks.conftest import Site, a_site
from tests.python.operate.hooks.receiver import receiver

OF = LockOf("duckdb", "warehouse", "source")
SLOWER = """
update reliability.kpi_decision_latency set p95_ms = 900
where window_end >= (
    select max(window_end) - interval '10 minutes' from reliability.kpi_decision_latency
)
"""
MENDED = SLOWER.replace("= 900", "= 100")


def test_a_green_world_is_left_alone(site: Site) -> None:
    site.runs_are_green()
    watched = site.watch()
    assert watched.passed, [state for state in watched.outcome.states if state.counts_as_red]
    assert not watched.outcome.opened
    assert site.rows("select count(*) from reliability.hook_events") == [(0,)]
    # Every hook looked, and that is written down.
    looked = site.rows("select count(distinct hook_id) from reliability.hook_evaluations")
    assert looked == [(len(watched.policy.hooks),)]
    with site.open() as warehouse:
        of = LockOf(site.target, warehouse_id(warehouse), source_of(site.root).digest)
    assert read_lock(site.root, StateFolder(site.state), 24, datetime.now(UTC), of=of) == []


def test_a_breach_is_acted_upon_once_and_closed(site: Site) -> None:
    site.runs_are_green()
    site.execute(SLOWER)
    (decision,) = site.watch().outcome.opened
    assert (decision.hook_id, decision.owner, decision.actions) == (
        "dec_latency",
        "SRE",
        ("rollback",),
    )
    folder = StateFolder(site.state)
    assert pending(folder) == [f"{decision.decision_id}.rollback.opened"]
    incident = (folder.incidents / f"{decision.decision_id}.md").read_text()
    for told in ("900 ms", "<=800", "Site reliability", "docs/runbooks/dec_slo_breach.md"):
        assert told in incident
    assert not site.watch().outcome.opened
    assert len(pending(folder)) == 1
    site.execute(MENDED)
    closed = site.watch()
    assert [one.decision_id for one in closed.outcome.recovered] == [decision.decision_id]
    assert closed.passed
    assert pending(folder) == [
        f"{decision.decision_id}.rollback.opened",
        f"{decision.decision_id}.rollback.recovered",
    ]
    assert "Recovered at" in (folder.incidents / f"{decision.decision_id}.md").read_text()
    ((detect, recover, outcome),) = site.rows(
        "select detect_seconds, recover_seconds, outcome from reliability.hook_decisions"
    )
    # Ten minutes of windows: the breach began at most fifteen minutes before it was decided.
    assert 0 < float(str(detect)) <= 900 + 300
    assert float(str(recover)) == 0
    assert "rollback queued" in str(outcome)


def test_what_blocks_is_in_the_lock(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.setenv("MBP_PROJECT_DIR", str(site.root))
    run = CliRunner()
    nobody = run.invoke(app, ["deploy-check"])
    assert nobody.exit_code == 1
    assert isinstance(nobody.exception, MbpError)  # main() makes exit code 2 of it
    assert "not measured" in str(nobody.exception)
    site.runs_are_green()
    site.watch()
    assert run.invoke(app, ["deploy-check"]).exit_code == 0
    site.collected("schema_drift", 2)
    assert not site.watch().passed
    blocked = run.invoke(app, ["deploy-check"])
    assert blocked.exit_code == 1
    assert "deploy blocked by drift: " in blocked.stdout
    assert "(owner DATA)" in blocked.stdout
    assert run.invoke(app, ["deploy-check", "--merge"]).exit_code == 0
    site.collected("dbt_tests", 1)
    site.watch()
    assert run.invoke(app, ["deploy-check", "--merge"]).exit_code == 1
    site.runs_are_green()
    site.watch()
    assert run.invoke(app, ["deploy-check"]).exit_code == 0


def test_runs_that_nobody_collected_are_red(site: Site) -> None:
    watched = site.watch()
    found = {(one.hook_id, one.reason): one.actions for one in watched.outcome.opened}
    assert found == {
        ("drift", "unknown"): ("block_deploy",),
        ("dbt_failure", "unknown"): ("block_merge",),
        ("contract_break", "unknown"): ("open_incident",),
        ("hook_gap", "unknown"): ("open_incident",),
    }


def test_both_engines_decide_the_same(
    built: Built, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    told = []
    for target in ("duckdb", "postgres"):
        (tmp_path / target).mkdir()
        with a_site(built, postgres_server, target, tmp_path / target) as site:
            site.runs_are_green()
            site.execute(SLOWER)
            told.append(site.watch().outcome.as_json())
    assert told[0] == told[1]
    assert json.loads(told[0])["opened"]


def test_a_dry_run_touches_nothing(duckdb_site: Site) -> None:
    site = duckdb_site
    site.execute(SLOWER)
    watched = site.watch(dry_run=True)
    assert "dec_latency" in {one.hook_id for one in watched.outcome.opened}
    assert not site.state.exists()
    assert site.rows("select count(*) from reliability.hook_events") == [(0,)]
    assert site.rows("select count(*) from reliability.hook_evaluations") == [(0,)]


def test_a_run_that_was_cut_off_is_done_again_without_harm(
    duckdb_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the actions and the ledger: the same decision, the same messages."""
    site = duckdb_site
    site.runs_are_green()
    site.execute(SLOWER)
    with monkeypatch.context() as patched:
        patched.setattr(
            "mbp.operate.hooks.hook_state.write",
            lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            site.watch()
    before = pending(StateFolder(site.state))
    assert len(before) == 1
    (decision,) = site.watch().outcome.opened
    assert pending(StateFolder(site.state)) == before == [f"{decision.decision_id}.rollback.opened"]


def test_an_endpoint_gets_the_decision_and_one_that_is_down_is_told(
    duckdb_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = duckdb_site
    site.runs_are_green()
    site.execute(SLOWER)
    monkeypatch.setattr("mbp.operate.hooks.outbox.BACKOFF_SECONDS", 0.01)
    monkeypatch.setenv("MBP_HOOK_SECRET", "secret")
    with receiver(503, 503, 503) as seen:
        monkeypatch.setenv("MBP_HOOK_URL", seen.url)
        watched = site.watch()
        assert len(watched.problems) == 1
        # Nothing new is decided, and what waits is delivered.
        assert not site.watch().problems
    body = json.loads(seen.requests[-1][2])
    assert body["action"] == "rollback"
    assert body["hook"] == "dec_latency"
    assert body["runbook_url"] == "docs/runbooks/dec_slo_breach.md"


def test_a_workflow_shows_what_is_red(duckdb_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    site = duckdb_site
    monkeypatch.setenv("MBP_PROJECT_DIR", str(site.root))
    site.runs_are_green()
    site.collected("dbt_tests", 3)
    done = CliRunner().invoke(app, ["watch", "--once", "--format", "annotations"])
    assert done.exit_code == 1
    assert "::error title=block_merge::" in done.stdout
    assert "dbt tests status on all" in done.stdout


def test_a_watch_that_goes_on_survives_what_passes(
    duckdb_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()
    site = duckdb_site
    monkeypatch.setenv("MBP_PROJECT_DIR", str(site.root))
    waited: list[float] = []
    real = time.sleep

    def sleep(seconds: float) -> None:
        if seconds != 7:  # not the watch: git is waited for, too
            real(seconds)
            return
        waited.append(seconds)
        if len(waited) == 1:
            monkeypatch.delenv("MBP_HOOK_URL")
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setenv("MBP_HOOK_URL", "no address")
    done = CliRunner().invoke(app, ["watch", "--interval", "7"])
    assert waited == [7, 7]
    assert "MBP_HOOK_URL is no HTTP address" in done.stderr
    assert "15 hooks" in done.stdout


def test_a_warehouse_without_kpis_is_refused(duckdb_site: Site) -> None:
    duckdb_site.execute("drop view reliability.kpi_windows")
    with pytest.raises(MbpError, match=r"reliability.kpi_windows is not in the warehouse"):
        duckdb_site.watch()


def test_artifacts_are_collected_and_missing_ones_are_no_value(site: Site) -> None:
    site.watch()
    found = {one.kpi_id: one for one in collect(site.root, site.target)}
    assert found["schema_drift"].value == 0
    assert found["data_contract_break"].value == 0
    assert found["data_contract_break"].samples > 90
    assert found["dbt_tests"].value == 0
    assert found["dbt_tests"].samples > 150
    assert found["hook_coverage"].samples == 15
    # Collected again at the same moment: in place of the first.
    collect(site.root, site.target)
    assert site.rows("select count(*) from reliability.kpi_runs") == [(4,)]
    evidence = site.artifacts / "target" / "evidence" / "dbt_tests.json"
    found_evidence = json.loads(evidence.read_text())
    assert (found_evidence["verdict"], found_evidence["content"]["value"]) == ("pass", 0)
    (site.artifacts / "target" / "run_results.json").unlink()
    found = {one.kpi_id: one for one in collect(site.root, site.target)}
    assert found["dbt_tests"].value is None
    assert "could not be measured" in found["dbt_tests"].detail
    states = {state.hook_id: state for state in site.watch().outcome.states}
    assert states["dbt_failure"].colour == "unknown"
    assert states["dbt_failure"].counts_as_red


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not a release lock"),
        ("{}", "is not a release lock"),
        ('{"written_at": "2026-01-01T00:00:00+00:00", "blocks": [{"kind": "x"}]}', "not a release"),
    ],
)
def test_a_lock_that_cannot_be_read_is_no_permission(tmp_path: Path, text: str, told: str) -> None:
    folder = StateFolder(tmp_path)
    folder.lock.write_text(text)
    with pytest.raises(MbpError, match=told):
        read_lock(tmp_path, folder, 24, datetime.now(UTC), of=OF)


def test_an_old_lock_is_not_believed(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    write_lock(folder, [OpenBlock("deploy", "drift", "1", "DATA", "drift")], "hash", of=OF)
    now = datetime.now(UTC)
    assert len(read_lock(tmp_path, folder, 24, now + timedelta(hours=23), of=OF)) == 1
    with pytest.raises(MbpError, match="25 h ago, at most 24 h count"):
        read_lock(tmp_path, folder, 24, now + timedelta(hours=25), of=OF)
