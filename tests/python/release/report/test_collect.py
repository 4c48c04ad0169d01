"""Facts of the project: of a built warehouse, and of one where everything is missing or broken."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.postgres_server import PostgresServer
from lab.simulate.schema import LOGS
from mbp.cli.main import app, register
from mbp.contracts.hook_policy import load_hooks
from mbp.core.errors import MbpError
from mbp.operate.hooks.measurements import KpiWindow
from mbp.release.gate.gate_report import GateReport
from mbp.release.report.report_collect import collect, drawn
from mbp.release.report.report_facts import Absence, Facts
from mbp.release.report.report_page import page
from mbp.runs import envelope
from mbp.runs.dbt_process import environment
from tests.python.built import Built
from tests.python.operate.hooks.conftest import a_site
from tests.python.release.report.sample import NOW, check, gate


@pytest.fixture
def nothing(tmp_path: Path) -> Iterator[Path]:
    """No warehouse, no artifacts, no evidence."""
    settings = {
        "MBP_DUCKDB_PATH": str(tmp_path / "none.duckdb"),
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "MBP_STATE_DIR": str(tmp_path / "state"),
        "DBT_TARGET": "duckdb",
    }
    with environment(settings):
        yield tmp_path


def by_hand() -> GateReport:
    places = ["docs/hooks.md", "../outside", "/etc/hostname", "target/evidence/security_sbom.json"]
    return gate(check("one", "pass", evidence=places))


def look(root: Path, folder: Path) -> Facts:
    return collect(root, "M2", "duckdb", folder / "report.html", by_hand)


def test_what_is_missing_is_told_section_by_section(project_root: Path, nothing: Path) -> None:
    found = look(project_root, nothing)
    for section in (found.watch, found.rules, found.coverage, found.exercises):
        assert isinstance(section, Absence)
        assert section.fix
    # What needs no warehouse is told all the same.
    assert not isinstance(found.packs, Absence)
    assert not isinstance(found.registry, Absence)
    assert not isinstance(found.waivers, Absence)
    assert {one.verdict for one in found.measurements} == {"not_measured"}
    assert {"privacy_scan", "security_sbom"} <= {one.name for one in found.measurements}
    assert all("mbp " in one.fix for one in found.measurements)
    assert "not measured yet" in page(found)


def test_a_gate_that_refuses_is_told(project_root: Path, nothing: Path) -> None:
    def refuses() -> GateReport:
        raise MbpError("no gate 'M9'", path="contracts/gates/x.yaml")

    found = collect(project_root, "M9", "duckdb", nothing / "r.html", refuses)
    assert isinstance(found.gate, Absence)
    assert "contracts/gates/x.yaml: no gate" in found.gate.why


def test_links_stay_inside_the_project(project_root: Path, nothing: Path) -> None:
    measured = {"target/evidence/security_sbom.json"}  # there when somebody measured
    assert look(project_root, nothing).files - measured == {"docs/hooks.md"}


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("{", "cannot be read"), ('{"verdict": "pass"}', "cannot be read"), ("{}", "not judged here")],
)
def test_a_broken_measurement_does_not_vanish(
    project_root: Path, nothing: Path, text: str, verdict: str
) -> None:
    folder = envelope.evidence_folder(project_root)
    folder.mkdir(parents=True)
    (folder / "privacy_scan.json").write_text(text)
    (folder / "exercises.json").write_text(text)
    found = look(project_root, nothing)
    assert verdict in [one.verdict for one in found.measurements]
    assert isinstance(found.exercises, Absence)
    assert found.exercises.word == "cannot be read"


def test_exercises_that_never_ran_are_listed(project_root: Path, nothing: Path) -> None:
    one = {
        "id": "cdc_delay",
        "what": "x",
        "passed": True,
        "problems": [],
        "injection_to_decision_seconds": 1.5,
        "detect_seconds": 300,
        "recover_seconds": None,
        "source": envelope.source_digest(project_root),
        "ran_at": NOW.isoformat(),
    }
    envelope.write(
        envelope.begin(project_root),
        "exercises",
        summary="1",
        content={"exercises": [one], "defined": ["cdc_delay"]},
    )
    found = look(project_root, nothing).exercises
    assert not isinstance(found, Absence)
    ran = {one["id"]: one["passed"] for one in found}
    assert ran.pop("cdc_delay") is True
    assert len(ran) > 5
    assert set(ran.values()) == {None}


def test_no_miss_is_smoothed_away(project_root: Path) -> None:
    kpi = load_hooks(project_root).sheet.kpis["dec_p95"]
    windows = [
        KpiWindow(
            kpi.id,
            "all",
            NOW,
            NOW - timedelta(minutes=5 * place),
            Decimal(900 if place == 77 else 100),
            1,
            "ok",
        )
        for place in range(1000)
    ]
    found = drawn(kpi, windows)
    assert len(found) <= 96
    assert [one.value for one in found if one.missed] == [900.0]
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert drawn(kpi, []) == []


def test_the_built_sample(
    built: Built, postgres_server: PostgresServer, tmp_path: Path, project_root: Path
) -> None:
    with a_site(built, postgres_server, "duckdb", tmp_path) as site:
        found = look(site.root, tmp_path)
        assert not isinstance(found.watch, Absence)
        assert len(found.watch.kpis) == len(load_hooks(project_root).sheet.kpis)
        assert len(found.watch.lag) == len(LOGS)
        assert all(one.trend for one in found.watch.lag)
        assert isinstance(found.rules, Absence)
        assert found.rules.fix == "run `mbp quality record` after a run"
        once = page(found)
        assert once == page(found)
        assert len(once.encode()) < 2_000_000


def test_the_command_writes_the_page_whole_or_not_at_all(
    project_root: Path, nothing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()
    monkeypatch.chdir(project_root)
    path = nothing / "deep" / "r.html"
    done = CliRunner().invoke(app, ["report", "--output", str(path)])
    assert "NO-GO" in path.read_text()
    assert isinstance(done.exception, MbpError), "written, and nothing on it is measured"
    assert "without a current measurement" in str(done.exception)
    (nothing / "file").write_text("x")
    refused = CliRunner().invoke(app, ["report", "--output", str(nothing / "file" / "r.html")])
    assert isinstance(refused.exception, MbpError)
    assert "cannot be written" in str(refused.exception)
    unknown = CliRunner().invoke(app, ["report", "--target", "nowhere"])
    assert isinstance(unknown.exception, MbpError)
