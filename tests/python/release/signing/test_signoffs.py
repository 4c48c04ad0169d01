"""Sign-offs of the gate: of this checklist, this source, this definition and this target, and of no other."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from mbp.cli import main as cli
from mbp.contracts.gates import SIGN_OFF_AREA
from mbp.core.errors import MbpError
from mbp.release.gate.signoffs import SignOff, read_sign_offs, sign_off, sign_off_subject
from tests.python.signing_keys import Keys

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def report(**changed: Any) -> dict[str, Any]:
    """What a gate reports that waits for nothing but signatures."""
    return {
        "gate": "M2",
        "definition_sha256": "d" * 64,
        "source": "5" * 64,
        "target": "duckdb",
        "warehouse": "8" * 32,
        "data": "7" * 64,
        "sample": False,
        "results": [
            {"id": "dbt_tests", "area": "data", "what": "tests pass", "verdict": "pass"},
            {
                "id": "late_trades",
                "area": "data",
                "what": "no trade after the end",
                "verdict": "waived",
                "waiver": "w1",
            },
            {"id": "sign_off_SRE", "area": SIGN_OFF_AREA, "what": "SRE", "verdict": "fail"},
        ],
        **changed,
    }


@pytest.fixture
def root(tmp_path: Path, keys: Keys) -> Path:
    path = tmp_path / "contracts" / "gates" / "allowed_signers"
    path.parent.mkdir(parents=True)
    path.write_text(keys.line("sre", "SRE") + keys.line("eng", "Eng"))
    path.with_name("m2_pre_ga.yaml").write_text("gate: M2\n")
    (tmp_path / "dbt_project.yml").write_text("name: mbp\n")
    return tmp_path


def read(root: Path, now: datetime = NOW, **changed: Any) -> SignOff:
    subject = sign_off_subject(report(**changed))
    return read_sign_offs(root, "M2", subject, ("SRE", "Eng"), now, max_age=timedelta(days=3))[
        "SRE"
    ]


def test_the_checklist_is_signed_without_the_sign_offs() -> None:
    assert sign_off_subject(report()) == {
        "gate": "M2",
        "definition": "d" * 64,
        "source": "5" * 64,
        "target": "duckdb",
        "warehouse": "8" * 32,
        "checklist": {"dbt_tests": "pass", "late_trades": "waived by w1"},
    }


def test_a_sign_off_is_of_what_was_seen(root: Path, keys: Keys) -> None:
    assert read(root).reason == "not signed by SRE"
    sign_off(root, report(), "SRE", keys.private("sre"), NOW)
    assert read(root).valid
    assert "another source" in read(root, source="6" * 64).reason
    assert "another definition" in read(root, definition_sha256="e" * 64).reason
    assert "another target" in read(root, target="postgres").reason
    assert "another warehouse" in read(root, warehouse="9" * 32).reason
    assert "another warehouse" in read(root, sample=True).reason
    fewer = report()["results"][1:]
    assert "another checklist" in read(root, results=fewer).reason
    other_waiver = [{**one, "waiver": "w2"} for one in report()["results"]]
    assert "another checklist" in read(root, results=other_waiver).reason
    assert "older than 3 days" in read(root, NOW + timedelta(days=4)).reason
    moved = root / "contracts/gates/signoffs/M3"
    (root / "contracts/gates/signoffs/M2").rename(moved)
    found = read_sign_offs(
        root, "M3", sign_off_subject(report(gate="M3")), ("SRE",), NOW, max_age=timedelta(days=3)
    )
    assert "about 'M2'" in found["SRE"].reason


def test_a_sign_off_of_the_sample_is_of_its_rows(root: Path, keys: Keys) -> None:
    """The release is made in another warehouse, which is built from the same source."""
    sign_off(root, report(sample=True), "SRE", keys.private("sre"), NOW)
    assert read(root, sample=True, warehouse="9" * 32).valid
    assert "another warehouse" in read(root, sample=True, data="6" * 64).reason


@pytest.mark.parametrize("verdict", ["fail", "not_measured", "anything new"])
def test_an_unready_release_is_not_signed(root: Path, keys: Keys, verdict: str) -> None:
    results = [{**one, "verdict": verdict} for one in report()["results"][:1]]
    with pytest.raises(MbpError, match="an unready release is not signed"):
        sign_off(root, report(results=results), "SRE", keys.private("sre"), NOW)
    assert not (root / "contracts/gates/signoffs").exists()


def test_nothing_to_see_is_nothing_to_sign(root: Path, keys: Keys) -> None:
    with pytest.raises(MbpError, match="the checklist is empty"):
        sign_off(root, report(results=[]), "SRE", keys.private("sre"), NOW)
    with pytest.raises(MbpError, match="source state is not known"):
        sign_off(root, report(source=None), "SRE", keys.private("sre"), NOW)


def test_the_command_shows_what_it_signs(
    root: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = report()

    class Report:
        def document(self) -> dict[str, Any]:
            return shown

    gate: Any = ModuleType("mbp.release.gate.gate_run")
    gate.run_gate = lambda *_: Report()
    monkeypatch.setitem(sys.modules, "mbp.release.gate.gate_run", gate)
    monkeypatch.setenv("MBP_PROJECT_DIR", str(root))
    cli.register()

    def run() -> Any:
        key = str(keys.private("sre"))
        return CliRunner().invoke(cli.app, ["gate", "sign", "--role", "SRE", "--key", key])

    shown["results"][0]["verdict"] = "fail"
    refused = run()
    assert refused.exit_code == 1
    assert "dbt_tests: fail" in refused.output
    assert not (root / "contracts/gates/signoffs").exists()
    shown["results"][0]["verdict"] = "pass"
    signed = run()
    assert signed.exit_code == 0
    assert "late_trades: waived by w1" in signed.output
    assert read(root, datetime.now(UTC)).valid
