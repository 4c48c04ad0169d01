"""Gate M2: a release that is ready passes, and each line of the checklist can stop it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.python.gate.conftest import GATE, TARGET, Release

from mbp.errors import MbpError
from mbp.gate.context import Context
from mbp.gate.definition import GATES, load_gate
from mbp.gate.forms import as_markdown, as_text
from mbp.gate.report import GO, NO_GO, CheckResult, GateReport
from mbp.gate.rules import RULES
from mbp.gate.run import run_gate

Spoil = Callable[[Release], object]


def test_a_release_that_is_ready_may_go(released: Release) -> None:
    report = released.run()
    assert [
        (one.id, one.verdict, one.told) for one in report.results if one.verdict != "pass"
    ] == []
    assert report.verdict == GO
    assert {f"sign_off_{role}" for role in released.gate.roles} < {one.id for one in report.results}


def remeasured(name: str, **changes: Any) -> Spoil:
    """The newest measurement says something else."""

    def spoil(release: Release) -> None:
        path = release.root / "target" / "evidence" / f"{name}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return spoil


def failed(name: str) -> Spoil:
    return remeasured(name, verdict="fail")


def executed(*statements: str) -> Spoil:
    return lambda release: release.execute(*statements)


def newest(kpi: str, entity: str = "all") -> str:
    return (
        f"where kpi_id = '{kpi}' and entity = '{entity}' and window_end = (select max(window_end)"
        f" from reliability.kpi_windows where kpi_id = '{kpi}' and entity = '{entity}')"
    )


def breach(kpi: str, value: float, entity: str = "all") -> Spoil:
    """The newest window of a KPI misses its target; the view is made a table, to be written to."""
    return executed(
        "create table reliability.frozen as select * from reliability.kpi_windows",
        "drop view reliability.kpi_windows",
        "alter table reliability.frozen rename to kpi_windows",
        f"update reliability.kpi_windows set value = {value}, verdict = 'breach' {newest(kpi, entity)}",
    )


def service(change: str, where: str) -> Spoil:
    return executed(
        "create table reliability.frozen as select * from reliability.kpi_service_level",
        "drop view reliability.kpi_service_level cascade",
        "alter table reliability.frozen rename to kpi_service_level",
        f"update reliability.kpi_service_level set {change} where window_end >"
        f" (select max(window_end) from reliability.kpi_service_level) - interval '{where}'",
    )


def edited(name: str, find: str, replace: str) -> Spoil:
    def spoil(release: Release) -> None:
        path = release.root / name
        text = path.read_text()
        assert find in text
        path.write_text(text.replace(find, replace, 1))

    return spoil


def exercise(**changes: Any) -> Spoil:
    def spoil(release: Release) -> None:
        path = release.root / "target" / "evidence" / "exercises.json"
        document = json.loads(path.read_text())
        for entry in document["content"]["exercises"]:
            if entry["id"] in ("cdc_delay", "dec_latency"):
                entry.update(changes)
        path.write_text(json.dumps(document))

    return spoil


def removed(name: str) -> Spoil:
    return lambda release: (release.root / name).unlink()


def undocumented(release: Release) -> None:
    """A hundred columns that nobody describes."""
    path = release.root / "target" / "catalog.json"
    catalog = json.loads(path.read_text())
    columns = catalog["nodes"]["model.mbp.mbp_quotes"]["columns"]
    for number in range(100):
        name = f"column_{number}"
        columns[name] = {"type": "VARCHAR", "index": 100 + number, "name": name, "comment": None}
    path.write_text(json.dumps(catalog))


def other_logs(release: Release) -> None:
    remeasured(
        "privacy_scan", content={"sources": {"log_samples": {"looked_at": 9, "findings": 1}}}
    )(release)


def half_of_the_logs(release: Release) -> None:
    """Lines were looked at, but not all; the scan as a whole would be not measured, which may be waived."""
    seen = {"looked_at": 9, "findings": 0, "problem": "the detector of cpf failed"}
    remeasured("privacy_scan", content={"sources": {"log_samples": seen}})(release)


SPOILERS: dict[str, Spoil] = {
    "dec_latency_sustained": service("p95_ms = 900", "15 minutes"),
    "no_server_errors": service("errors_5xx = 1", "15 minutes"),
    "rollback_exercised": exercise(passed=False),
    "dbt_build": failed("build"),
    "dbt_tests": failed("dbt_tests"),
    "schema_drift": remeasured(
        "schema_drift", verdict="fail", content={"evidence": {"drift": [1], "changes": []}}
    ),
    "contract_break": remeasured(
        "data_contract_break",
        verdict="fail",
        content={"evidence": [{"rule_id": "closed_market_no_trades", "verdict": "fail"}]},
    ),
    "cdc_lag": breach("cdc_lag_p95", 121, "mbp_quotes"),
    "documentation": undocumented,
    "contracts_complete": edited("contracts/a106/mbp_quotes.odcs.yaml", "limitations:", "purpose:"),
    "hook_coverage": failed("hook_coverage"),
    "audit_coverage": breach("audit_coverage", 98.9),
    "owners_and_routes": edited(
        "observability/alertmanager/alertmanager.yml", "sre-on-call", "nobody"
    ),
    "watchers_green": breach("inp_p75", 300),
    "critical_watcher_red": breach("dec_p95", 900),
    "nothing_blocked": removed(".mbp/release.lock"),
    "exercises_passed": exercise(source="another"),
    "waivers_valid": lambda release: (
        (release.root / "contracts/waivers").mkdir(exist_ok=True)
        or (release.root / "contracts/waivers/empty.yaml").write_text("id: empty\n")
    ),
    "decisions_approved": removed("docs/adr/decision_log.md"),
    "runbooks_whole": edited("docs/runbooks/cdc_lag.md", "## Mitigate", "## Hope"),
    "sbom": failed("security_sbom"),
    "sast": failed("security_sast"),
    "secrets": failed("security_secrets"),
    "dependency_audit": remeasured("security_audit", verdict="not_measured"),
    "licences": failed("security_licences"),
    "least_privilege": removed("target/evidence/security_least_privilege.json"),
    "personal_data": failed("privacy_scan"),
    "personal_data_in_logs": other_logs,
    "privacy_detectors": failed("privacy_measure"),
    "no_open_page": executed("delete from reliability.hook_events where event = 'recovered'"),
    "error_budget": breach("error_budget_burn", 1.5),
    "interaction": breach("inp_p75", 201),
    "committed": lambda release: (release.root / "new.md").write_text("new\n"),
    "release_plan": edited("docs/pre_ga_plan.md", "## Rollback", "## Later"),
}


def test_every_check_has_its_fault(released: Release) -> None:
    unspoiled = {one.id for one in released.gate.checks} - SPOILERS.keys()
    assert unspoiled == {"cdc_alarms"}, "the tests of the alarms prove that one"


@pytest.mark.parametrize("name", SPOILERS)
def test_each_check_can_stop_the_release(release: Release, name: str) -> None:
    SPOILERS[name](release)
    report = release.run()
    found = {one.id: one for one in report.results}
    assert found[name].open, found[name].told
    assert found[name].told
    assert report.verdict == NO_GO
    assert all(found[f"sign_off_{role}"].open for role in release.gate.roles), (
        "of another checklist"
    )


HALVES: dict[str, tuple[str, Spoil]] = {
    "logs that were not all looked at": ("personal_data_in_logs", half_of_the_logs),
    "exercises without mutations": ("exercises_passed", exercise(mutants_killed={})),
    "windows that are missing": (
        "no_server_errors",
        executed(
            "create table reliability.frozen as select * from reliability.kpi_service_level",
            "drop view reliability.kpi_service_level cascade",
            "alter table reliability.frozen rename to kpi_service_level",
            "delete from reliability.kpi_service_level where window_end <"
            " (select max(window_end) from reliability.kpi_service_level) - interval '6 minutes'",
        ),
    ),
}


@pytest.mark.parametrize("name", HALVES)
def test_what_was_looked_at_by_halves_does_not_pass(release: Release, name: str) -> None:
    check, spoil = HALVES[name]
    spoil(release)
    assert release.check(check).open


def test_loaded_data_is_judged_by_the_clock(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was built with MBP_NOW of the past shows the KPIs of the past."""
    with release.inside():
        monkeypatch.setenv("MBP_RAW", "loaded")
        report = run_gate(release.root, GATE, TARGET)
    found = {one.id: one for one in report.results}
    for name in ("dec_latency_sustained", "critical_watcher_red", "error_budget", "no_open_page"):
        assert found[name].verdict == "not measured"
        assert "away from the clock" in found[name].told


def test_a_broken_rule_alone_has_to_be_waived(release: Release) -> None:
    """What cannot be measured on this source holds, as `mbp kpi collect` counts."""
    rules = [
        {"rule_id": "closed_market_no_trades", "verdict": "fail"},
        {"rule_id": "another", "verdict": "not measurable"},
    ]
    remeasured("data_contract_break", verdict="fail", content={"evidence": rules})(release)
    with release.inside():
        gate = release.gate
        context = Context(release.root, TARGET, datetime.now(UTC), 24, gate.waivable())
        check = next(one for one in gate.checks if one.id == "contract_break")
        judged = RULES[check.rule].judge(context, check)
    assert judged.rule_ids == ("closed_market_no_trades",)


@pytest.mark.parametrize(
    ("find", "replace", "told"),
    [
        ("area: Change", "area: Sign-offs", "would count as a sign-off"),
        ("{kpi: inp_p75}", "{kpi: [inp_p75]}", "no KPI"),
    ],
)
def test_a_wrong_definition_is_refused(
    project_root: Path, tmp_path: Path, find: str, replace: str, told: str
) -> None:
    for name in ("contracts", "dbt_project.yml"):
        copy = shutil.copytree if (project_root / name).is_dir() else shutil.copy
        copy(project_root / name, tmp_path / name)
    path = tmp_path / GATES[GATE]
    assert find in path.read_text()
    path.write_text(path.read_text().replace(find, replace, 1))
    with pytest.raises(MbpError, match=told):
        load_gate(tmp_path, GATE)


def test_what_was_found_cannot_leave_its_line_or_its_cell() -> None:
    told = "x\r# GO\u2028- all\x1b[2J \u202eOG` | <b> [x](y)"
    result = CheckResult("a", "A", "what", "fail", told, told, [], "SRE", False, False)
    report = GateReport(
        *("M2", "Pre-GA", datetime.now(UTC), None, None, None, TARGET, None, "d"), results=[result]
    )
    for text in (as_text(report), as_markdown(report)):
        assert not [one for one in text if not one.isprintable() and one != "\n"]
        assert not [one for one in text.splitlines() if one.startswith(("# GO", "- all"))]
    row = next(one for one in as_markdown(report).splitlines() if "`a`" in one)
    assert row.replace("\\|", "").count("|") == 7
    assert "<b>" not in row
    assert row.replace("\\`", "").count("`") == 2
