"""What is rendered for Prometheus, Alertmanager and Grafana, judged by those tools where they are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
from typer.testing import CliRunner

from mbp.cli.main import app, register
from mbp.contracts.alarm_limits import load_limits
from mbp.contracts.exercises import load_exercises
from mbp.contracts.hook_policy import load_hooks, on_target
from mbp.core import yaml_io
from mbp.operate.hooks.alarming import GAUGES
from mbp.operate.hooks.alert_rules import FOLDER, as_yaml, dashboards, rendered, stale_files
from tests.python.operate.hooks.conftest import Site, tool
from tests.python.operate.hooks.promtool_cases import rule_tests
from tests.python.operate.hooks.test_watch import MENDED, SLOWER


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_committed_files_are_what_the_hooks_say(project_root: Path) -> None:
    assert stale_files(project_root) == []
    assert len(rendered(project_root)) == 7


def test_every_hook_has_its_alert(project_root: Path) -> None:
    policy = load_hooks(project_root)
    document = yaml_io.load(project_root / FOLDER / "prometheus/mbp_rules.yml")
    alerts = [rule for rule in document["groups"][1]["rules"] if "alert" in rule]
    labels = [(rule["labels"]["hook"], rule["labels"]["reason"]) for rule in alerts]
    must = [(hook.id, "unknown") for hook in policy.hooks.values() if hook.must_have]
    assert sorted(labels) == sorted([(name, "breach") for name in policy.hooks] + must)
    for rule in alerts:
        hook = policy.hooks[rule["labels"]["hook"]]
        assert rule["labels"]["owner"] == hook.owner
        told = rule["annotations"]
        assert told["runbook_url"] == hook.runbook
        if rule["labels"]["reason"] == "breach":
            assert told["rollback"] == hook.rollback
        else:
            assert "rollback" not in told
            assert hook.measuring_command in told["action"]


def colour(steps: list[dict[str, Any]], value: float) -> str:
    """As Grafana colours: the last step whose value is not above."""
    return str([one["color"] for one in steps if one["value"] is None or one["value"] <= value][-1])


def test_a_panel_is_green_exactly_on_target(project_root: Path) -> None:
    policy = load_hooks(project_root)
    panels = {
        panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        for dashboard in dashboards(policy).values()
        for panel in dashboard["panels"]
        if panel["type"] == "timeseries" and "thresholds" in panel["fieldConfig"]["defaults"]
    }
    kpis = list(policy.sheet.kpis.values())
    assert len(panels) == len(kpis)
    for kpi in kpis:
        steps = panels[f"{kpi.name} (target {kpi.target})"]
        assert json.loads(json.dumps(steps)) == steps
        for value in (kpi.bound, kpi.bound - 0.01, kpi.bound + 0.01, kpi.bound + 1e6):
            wanted = "green" if on_target(kpi, value) else "red"
            assert colour(steps, value) == wanted, (kpi.id, value)


def test_promtool_accepts_the_rules(project_root: Path) -> None:
    said = run(
        tool("promtool"),
        "check",
        "rules",
        "mbp_rules.yml",
        folder=project_root / FOLDER / "prometheus",
    )
    assert "SUCCESS: 35 rules found" in said


def test_promtool_sees_every_exercise_raise_its_alert(project_root: Path, tmp_path: Path) -> None:
    policy = load_hooks(project_root)
    exercises, limits = load_exercises(project_root, policy), load_limits(project_root)
    cases = rule_tests(policy, exercises, limits)
    assert len(cases["tests"]) > 2 * len(exercises)
    folder = tmp_path / "rules"
    shutil.copytree(project_root / FOLDER / "prometheus", folder)
    (folder / "cases.yml").write_text(as_yaml(cases))
    run(tool("promtool"), "test", "rules", "cases.yml", folder=folder)
    # The tests can fail: an alert that waits too long is noticed.
    path = folder / "mbp_rules.yml"
    path.write_text(path.read_text().replace("for: 0m", "for: 600m"))
    command = [tool("promtool"), "test", "rules", "cases.yml"]
    assert subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


def test_amtool_accepts_the_routing(project_root: Path) -> None:
    folder = project_root / FOLDER / "alertmanager"
    run(tool("amtool"), "check-config", "alertmanager.yml", folder=folder)
    for owner, receiver in load_hooks(project_root).receivers.items():
        said = run(
            tool("amtool"),
            "config",
            "routes",
            "test",
            "--config.file=alertmanager.yml",
            f"owner={owner}",
            folder=folder,
        )
        assert said.strip() == receiver


def test_a_decision_reaches_a_real_alertmanager_and_ends_there(
    duckdb_site: Site, alertmanager: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = duckdb_site
    monkeypatch.setenv("MBP_ALERTMANAGER_URL", alertmanager)
    site.runs_are_green()
    site.execute(SLOWER)
    assert not site.watch().problems
    (alert,) = requests.get(f"{alertmanager}/api/v2/alerts", timeout=5).json()
    assert alert["labels"]["alertname"] == "dec_latency"
    assert alert["receivers"] == [{"name": "sre-on-call"}]
    assert alert["annotations"]["runbook_url"] == "docs/runbooks/dec_slo_breach.md"
    site.execute(MENDED)
    assert not site.watch().problems
    assert requests.get(f"{alertmanager}/api/v2/alerts?active=true", timeout=5).json() == []


def test_metrics_are_in_the_text_format(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.setenv("MBP_PROJECT_DIR", str(site.root))
    site.runs_are_green()
    site.execute(SLOWER)
    site.watch()
    output = site.state / "mbp.prom"
    done = CliRunner().invoke(app, ["metrics", "export", "--output", str(output)])
    assert done.exit_code == 0
    lines = output.read_text().splitlines()
    assert 'mbp_kpi_value{kpi="dec_p95",entity="all"} 900' in lines
    assert 'mbp_kpi_breach{kpi="dec_p95",entity="all"} 1' in lines
    state = 'mbp_hook_state{hook="dec_latency",kpi="dec_p95",entity="all",state="red"} 1'
    assert state in lines
    assert 'mbp_open_decisions{owner="SRE"} 1' in lines
    samples = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(samples) == len(set(samples))
    said = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=output.read_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_dashboards_show_every_kpi_once(project_root: Path) -> None:
    policy = load_hooks(project_root)
    shown = []
    for name, dashboard in dashboards(policy).items():
        text = (project_root / FOLDER / "grafana" / f"{name}.json").read_text()
        assert json.loads(text) == dashboard
        panels = dashboard["panels"]
        expressions = [target["expr"] for panel in panels for target in panel["targets"]]
        shown += [(name, one) for one in expressions if one.startswith("mbp_kpi_value")]
        # Why the lag will soon be one stands beside the lag.
        beside = [one for one in expressions if one in GAUGES]
        assert sorted(beside) == (sorted(GAUGES) if name == "DATA" else [])
    expected = [
        (kpi.dashboard, f'mbp_kpi_value{{kpi="{kpi.id}"}}') for kpi in policy.sheet.kpis.values()
    ]
    assert sorted(shown) == sorted(expected)


def test_the_screen_fits_and_carries_no_colour_in_a_pipe(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()
    monkeypatch.setenv("MBP_PROJECT_DIR", str(site.root))
    site.runs_are_green()
    site.execute(SLOWER)
    site.watch()
    screen = CliRunner().invoke(app, ["status"]).stdout
    lines = screen.splitlines()
    assert max(len(line) for line in lines) <= 80
    assert "\x1b" not in screen
    assert "NOT GREEN" in lines[0]
    (row,) = [line for line in lines if line.startswith("DEC p95 ") and "<=800" in line]
    assert "900.00 ms" in row
    assert row.split()[-3:] == ["red", "SRE", "1"]
    assert any("dec_latency all: rollback (SRE)" in line for line in lines)
    document = json.loads(CliRunner().invoke(app, ["status", "--format", "json"]).stdout)
    assert document["passed"] is False
    assert {row["kpi"] for row in document["rows"]} == set(load_hooks(site.root).sheet.kpis)
