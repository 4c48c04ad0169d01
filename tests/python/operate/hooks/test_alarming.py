"""Alarms of the change data capture, from the control tables to whoever has to look, on both engines."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from mbp.cli.main import app, register
from mbp.contracts.alarm_limits import load_limits
from mbp.core.errors import MbpError
from mbp.core.paths import StateFolder
from mbp.ingest.cdc.watched import Alarm
from mbp.ingest.initialise import initialise
from mbp.operate.hooks import alarming
from mbp.operate.hooks.alarming import OpenAlarm, follow, read_open
from mbp.operate.hooks.outbox import pending
from tests.python.operate.hooks.conftest import Site, tool
from tests.python.operate.hooks.receiver import receiver

READER = (
    "insert into raw_mbp._cdc_readers values ('mbp_cdc', 0.01, 0.001, 900, 1000, current_timestamp)"
)
CALM = "update raw_mbp._cdc_readers set retained_bytes = 100, recorded_at = current_timestamp"
NOW = datetime(2026, 1, 6, 18, tzinfo=UTC)
ONE = Alarm("cdc_dead_letters", "ticket", "mbp_cdc/quotes", "3 changes", "replay")


@pytest.fixture
def captured(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A green world into which a reader streams whose slot is nearly full."""
    register()
    monkeypatch.setenv("MBP_PROJECT_DIR", str(site.root))
    site.runs_are_green()
    with site.open() as warehouse:
        initialise(site.root, warehouse)
    site.execute(READER)
    return site


def test_an_alarm_is_told_blocks_nothing_and_ends(
    captured: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, folder = captured, StateFolder(captured.state)
    with receiver() as seen:
        monkeypatch.setenv("MBP_ALERTMANAGER_URL", seen.url)
        done = CliRunner().invoke(app, ["watch", "--once"])
        assert done.exit_code == 1
        (line,) = [line for line in done.stdout.splitlines() if "cdc_slot" in line]
        assert line.startswith("mbp_cdc: error cdc_slot_nearly_full: page: ")
        assert "1 alarm," in done.stdout
        site.execute("update raw_mbp._cdc_readers set recorded_at = current_timestamp")
        # Told once, however often it is seen.
        assert [one.id for one in site.watch().alarms] == ["cdc_slot_nearly_full"]
        assert len(seen.requests) == 1
        # It decides nothing: no decision, no block.
        assert site.rows("select count(*) from reliability.hook_events") == [(0,)]
        assert CliRunner().invoke(app, ["deploy-check"]).exit_code == 0
        site.execute(CALM)
        assert site.watch().passed
        assert site.watch().passed
    (raised,), (over,) = (json.loads(request[2]) for request in seen.requests)
    assert raised["labels"] == over["labels"]
    assert raised["labels"]["alertname"] == "cdc_slot_nearly_full"
    assert (raised["labels"]["owner"], raised["labels"]["severity"]) == ("DATA", "page")
    assert raised["annotations"]["runbook_url"] == "docs/runbooks/cdc_lag.md"
    assert raised["startsAt"] == over["startsAt"] < over["endsAt"] < raised["endsAt"]
    assert read_open(site.root, folder) == []
    assert pending(folder) == []


def test_without_alertmanager_it_is_seen_all_the_same(captured: Site) -> None:
    site = captured
    document = json.loads(CliRunner().invoke(app, ["watch", "--once", "--format", "json"]).stdout)
    assert [one["id"] for one in document["alarms"]] == ["cdc_slot_nearly_full"]
    assert document["opened"] == []
    assert pending(StateFolder(site.state)) == []
    screen = CliRunner().invoke(app, ["status"]).stdout
    assert "NOT GREEN" in screen.splitlines()[0]
    assert "alarm: cdc_slot_nearly_full mbp_cdc (page)" in screen
    assert max(len(line) for line in screen.splitlines()) <= 80
    told = json.loads(CliRunner().invoke(app, ["status", "--format", "json"]).stdout)
    assert [one["severity"] for one in told["alarms"]] == ["page"]
    site.execute(CALM)
    assert "all green" in CliRunner().invoke(app, ["status"]).stdout


def test_what_is_decided_does_not_depend_on_alarms(captured: Site) -> None:
    with_alarm = captured.watch(dry_run=True)
    captured.execute(CALM)
    without = captured.watch(dry_run=True)
    assert with_alarm.alarms
    assert not without.alarms
    assert with_alarm.outcome.as_json() == without.outcome.as_json()
    assert not captured.state.exists()


def test_metrics_of_a_reader_are_in_the_text_format(captured: Site) -> None:
    captured.execute(
        "insert into raw_mbp._cdc_dead_letters (letter_id, slot, table_name, position, kind)"
        " values ('a', 'mbp_cdc', 'quotes', 7, 'value')"
    )
    text = CliRunner().invoke(app, ["metrics", "export"]).stdout
    lines = text.splitlines()
    assert 'mbp_cdc_dead_letters{slot="mbp_cdc",table="quotes"} 1' in lines
    assert 'mbp_cdc_dead_letters{slot="mbp_cdc",table="markets"} 0' in lines
    assert 'mbp_cdc_slot_retained_bytes{slot="mbp_cdc"} 900' in lines
    assert 'mbp_cdc_slot_limit_bytes{slot="mbp_cdc"} 1000' in lines
    assert 'mbp_cdc_clock_skew_seconds{slot="mbp_cdc"} 0.01' in lines
    (age,) = [line for line in lines if line.startswith("mbp_cdc_reader_age_seconds{")]
    assert 0 <= float(age.split()[-1]) < 60
    checked = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_real_alertmanager_keeps_it_until_it_ends(
    duckdb_site: Site, alertmanager: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = duckdb_site
    monkeypatch.setenv("MBP_ALERTMANAGER_URL", alertmanager)
    site.runs_are_green()
    with site.open() as warehouse:
        initialise(site.root, warehouse)
    site.execute(READER)
    assert not site.watch().problems
    (alert,) = requests.get(f"{alertmanager}/api/v2/alerts", timeout=5).json()
    assert alert["labels"]["alertname"] == "cdc_slot_nearly_full"
    assert alert["receivers"] == [{"name": "data-on-call"}]
    # Longer than Alertmanager keeps what nobody repeats: five minutes.
    ends = datetime.fromisoformat(alert["endsAt"])
    assert ends > datetime.now(UTC) + timedelta(minutes=55)
    site.execute(CALM)
    assert not site.watch().problems
    assert requests.get(f"{alertmanager}/api/v2/alerts?active=true", timeout=5).json() == []


def test_an_alarm_that_goes_on_is_repeated_every_hour(project_root: Path, tmp_path: Path) -> None:
    folder, limits = StateFolder(tmp_path), load_limits(project_root)
    for minutes in (0, 1, 59, 60, 61):
        now = NOW + timedelta(minutes=minutes)
        follow(project_root, folder, [ONE], limits, now, endpoint=True)
    first, second = pending(folder)
    for key, hours in ((first, 2), (second, 3)):
        (body,) = json.loads((folder.outbox / f"{key}.json").read_text())["body"]
        assert body["startsAt"] == NOW.isoformat()
        assert body["endsAt"] == (NOW + timedelta(hours=hours)).isoformat()
    # Ended and raised again: another alarm.
    later = NOW + timedelta(hours=2)
    follow(project_root, folder, [], limits, later, endpoint=True)
    follow(project_root, folder, [ONE], limits, later, endpoint=True)
    assert len(pending(folder)) == 4
    assert read_open(project_root, folder) == [OpenAlarm(ONE, later)]


def test_what_was_cut_off_is_told_once(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, limits = StateFolder(tmp_path), load_limits(project_root)
    for found in ([ONE], []):
        with monkeypatch.context() as patched:
            patched.setattr(alarming, "put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                follow(project_root, folder, found, limits, NOW, endpoint=True)
        later = NOW + timedelta(minutes=1)
        follow(project_root, folder, found, limits, later, endpoint=True)
    raised, over = pending(folder)
    assert (raised.split(".")[2], over.split(".")[2]) == ("raised", "recovered")
    assert raised.split(".")[1] == over.split(".")[1]


def test_a_wrong_list_of_open_alarms_is_refused(project_root: Path, tmp_path: Path) -> None:
    (tmp_path / alarming.OPEN).write_text('{"open": [{}]}')
    with pytest.raises(MbpError, match=r"alarms.json: is not a list of open alarms.*remove it"):
        read_open(project_root, StateFolder(tmp_path))
