"""A rehearsal is told from a release, by the data and by the engine; and what changed since the last release."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mbp.core.verdict import GO, NO_GO, REHEARSAL, Verdict, gate_verdict
from mbp.ingest.initialise import initialise
from mbp.release.gate.context import Context, origin_of
from mbp.release.gate.gate_run import judge, since_last_go
from mbp.warehouse import connect
from tests.python.release.gate.conftest import TARGET, Release, git


def of(verdict: str, *, rehearsal: bool = False) -> dict[str, object]:
    return {"verdict": verdict, "rehearsal": rehearsal}


@pytest.mark.parametrize(
    ("results", "word"),
    [
        ([], NO_GO),
        ([of("pass")], GO),
        ([of("pass"), of("waived")], GO),
        ([of("pass"), of("fail", rehearsal=True)], REHEARSAL),
        ([of("pass"), of("not_measured", rehearsal=True)], REHEARSAL),
        ([of("pass", rehearsal=True)], GO),
        ([of("fail"), of("fail", rehearsal=True)], NO_GO),
        ([of("not_measured")], NO_GO),
        # A report of before rehearsals were told apart.
        ([{"verdict": "pass"}, {"verdict": "fail"}], NO_GO),
    ],
)
def test_only_what_a_rehearsal_goes_without_makes_it_one(
    results: list[dict[str, object]], word: str
) -> None:
    assert gate_verdict(results) == word


def test_the_sample_on_duckdb_is_a_rehearsal(release: Release) -> None:
    report = release.run()
    assert report.verdict == REHEARSAL
    assert not report.blockers
    assert {result.id for result in report.results if result.open} == {
        "production_data",
        "production_engine",
    }
    assert report.basis.startswith("the committed sample as of 2026-01-06")
    assert "; DuckDB; " in report.basis
    counted = report.basis.rpartition("; ")[2].split()
    assert counted[0] == counted[2] != "0"
    assert counted[3:] == ["error", "rules", "measured"]


def test_the_data_is_what_the_warehouse_recorded(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    (check,) = [one for one in release.gate.checks if one.id == "production_data"]

    def judged() -> tuple[str, str]:
        context = Context(release.root, TARGET, datetime.now(UTC), 24, {})
        found = judge(context, check)
        return found.verdict, found.message

    with release.inside():
        assert judged()[0] == Verdict.FAIL
        monkeypatch.setenv("MBP_RAW", "loaded")
        assert judged() == (
            Verdict.NOT_MEASURED,
            "the warehouse recorded neither a load nor change data capture",
        )
        with connect(release.root, TARGET) as warehouse:
            initialise(release.root, warehouse)
            for statement in (
                "insert into raw_mbp._cdc_position (slot) values ('mbp_cdc'), ('files')",
                "insert into raw_mbp._cdc_landed (slot) values ('files')",
                "insert into raw_mbp._loads (load_id, source) values (1, 'archive')",
            ):
                warehouse.execute(statement)
            assert origin_of(release.root, warehouse).sources == [
                "loads of archive",
                "files landed by files",
                "change data capture by mbp_cdc",
            ]
        verdict, message = judged()
        assert verdict == Verdict.PASS
        assert message.startswith("loads of archive; files landed by files; change data capture")


@pytest.mark.parametrize(
    ("engine", "verdict"), [("duckdb", "pass"), ("postgres", "fail"), ("oracle", "not_measured")]
)
def test_the_engine_is_the_one_that_production_has(
    released: Release, engine: str, verdict: str
) -> None:
    (check,) = [one for one in released.gate.checks if one.id == "production_engine"]
    with released.inside():
        context = Context(released.root, TARGET, datetime.now(UTC), 24, {})
        assert judge(context, replace(check, source={"engine": engine})).verdict == verdict


@pytest.fixture
def tagged(project_root: Path, tmp_path: Path) -> Path:
    """A repository with the contracts and the lock of the project."""
    for name in (
        "contracts",
        "tests/dbt",
        "dbt_project.yml",
        "pyproject.toml",
        "requirements.lock",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        place = project_root / name
        copy = shutil.copytree if place.is_dir() else shutil.copyfile
        copy(place, tmp_path / name)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "released")
    return tmp_path


def test_what_changed_since_the_last_go(tagged: Path) -> None:
    assert since_last_go(tagged, "M2").tag == ""
    git(tagged, "tag", "-a", "-m", "Evidence of gate M2: no-go", "anchor-M2-0")
    git(tagged, "tag", "-a", "-m", "Evidence of gate M2: rehearsal", "anchor-M2-1")
    assert since_last_go(tagged, "M2").tag == ""
    git(tagged, "tag", "-a", "-m", "Evidence of gate M2: go", "anchor-M2-2")
    assert since_last_go(tagged, "M2").lines == ["Since anchor-M2-2:", "nothing that is compared"]

    contract = tagged / "contracts/a106/mbp_quotes.odcs.yaml"
    text = contract.read_text()
    version = next(line for line in text.splitlines() if line.startswith("version:"))
    contract.write_text(text.replace(version, "version: 9.0.0", 1))
    sheet = tagged / "contracts/a87/measurement_sheet.yaml"
    sheet.write_text(sheet.read_text().replace('target: "<=800"', 'target: "<=801"', 1))
    lock = tagged / "requirements.lock"
    lines = lock.read_text().splitlines()
    pin = next(line for line in lines if line.startswith("duckdb=="))
    lock.write_text(lock.read_text().replace(pin, "duckdb==99.0.0 \\", 1))
    found = {line.partition(":")[0]: line for line in since_last_go(tagged, "M2").changes}
    assert f"mbp_quotes {version.split()[1]} -> 9.0.0" in found["contracts"]
    assert "-> 99.0.0" in found["dependencies"]
    assert "<=800 -> <=801" in found["KPIs"]
    assert "rules" not in found

    (tagged / "requirements.lock").unlink()
    assert "dependencies: not compared" in "\n".join(since_last_go(tagged, "M2").changes)
