"""dbt in this process, on a project of three nodes: artifacts, environment, and a refused build."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mbp.contracts import Rule
from mbp.core.errors import MbpError
from mbp.quality.rule_findings import collect
from mbp.runs.artifacts import read_artifact
from mbp.runs.dbt_process import environment, profiles_folder, run_dbt, target_name, target_path

FILES = {
    "dbt_project.yml": "name: tiny\nprofile: mbp\nflags: {send_anonymous_usage_stats: false}\n"
    "models: {tiny: {+materialized: table, +group: data}}\n",
    "profiles.example.yml": "mbp:\n  target: duckdb\n  outputs:\n    duckdb:\n      type: duckdb\n"
    "      path: \"{{ env_var('MBP_DUCKDB_PATH') }}\"\n      threads: 1\n",
    "seeds/raw.csv": "quote_id,price\nq1,0.5\nq2,\n",
    "models/int_mbp__quotes_latest.sql": "select quote_id, cast(price as decimal(18,8)) as price,"
    " false as is_deleted from {{ ref('raw') }}",
    "models/mbp_quotes.sql": "select quote_id, price from {{ ref('int_mbp__quotes_latest') }}",
    "models/models.yml": """
groups:
  - {name: data, owner: {name: DATA}}
models:
  - name: mbp_quotes
    config: {contract: {enforced: true}}
    columns:
      - name: quote_id
        data_type: varchar
        data_tests: [{unique: {name: mbp_quotes_quote_id_unique}}]
      - name: price
        data_type: decimal(18,8)
        constraints: [{type: not_null}]
        data_tests: [{not_null: {name: mbp_quotes_price_not_null}}]
""",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in ("DBT_TARGET_PATH", "DBT_LOG_PATH", "DBT_PROFILES_DIR", "DBT_TARGET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "tiny.duckdb"))
    yield tmp_path


def test_a_refused_build_is_the_finding_of_its_rule(
    project: Path, contract_rules: list[Rule], capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = run_dbt(project, ["build"], artifacts=project)
    assert not outcome.success
    assert outcome.problem is None
    told = capfd.readouterr()
    assert told.out == ""
    assert "mbp_quotes" in told.err

    folder = project / "target"
    manifest = read_artifact(folder, "manifest.json", project)
    results = read_artifact(folder, "run_results.json", project)
    found = {one.rule_id: one for one in collect(manifest, results, contract_rules)}
    assert {rule_id: one.verdict for rule_id, one in found.items()} == {
        "mbp_quotes_price_not_null": "fail",
        "mbp_quotes_quote_id_unique": "not_measured",
    }
    assert found["mbp_quotes_quote_id_unique"].reason_unmeasured == "skipped"
    assert found["mbp_quotes_price_not_null"].owner == "DATA"
    assert found["mbp_quotes_quote_id_unique"].message == "not checked: mbp_quotes did not build"


def test_a_project_that_dbt_cannot_read_is_a_problem(project: Path) -> None:
    (project / "models" / "broken.sql").write_text("select * from {{ ref('nowhere') }}")
    outcome = run_dbt(project, ["parse"], artifacts=project, quiet=True)
    assert not outcome.success
    assert "nowhere" in str(outcome.problem)


def test_the_projects_own_profile_wins_over_the_example(project: Path) -> None:
    folder = profiles_folder(project)
    assert (folder / "profiles.yml").read_text() == FILES["profiles.example.yml"]
    assert folder != project
    (project / "profiles.yml").write_text("mbp: {}\n")
    assert profiles_folder(project) == project


def test_no_profile_at_all_is_refused(project: Path) -> None:
    (project / "profiles.example.yml").unlink()
    with pytest.raises(MbpError, match=r"profiles\.example\.yml"):
        profiles_folder(project)


def test_the_environment_is_put_back() -> None:
    os.environ["MBP_TEST_KEPT"] = "before"
    try:
        with environment({"MBP_TEST_KEPT": "inside", "MBP_TEST_NEW": "inside"}):
            assert os.environ["MBP_TEST_KEPT"] == os.environ["MBP_TEST_NEW"] == "inside"
        assert os.environ["MBP_TEST_KEPT"] == "before"
        assert "MBP_TEST_NEW" not in os.environ
    finally:
        del os.environ["MBP_TEST_KEPT"]


def test_the_target_is_checked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert target_name(project, None) == "duckdb"
    monkeypatch.setenv("DBT_TARGET", "postgres")
    assert target_name(project, "duckdb") == "duckdb"
    with pytest.raises(MbpError, match="no target 'postgres'"):
        target_name(project, None)
    with pytest.raises(MbpError, match="no target 'oracle'"):
        target_name(project, "oracle")
    assert target_path(project) == project / "target"
    monkeypatch.setenv("DBT_TARGET_PATH", "/elsewhere")
    assert target_path(project) == Path("/elsewhere")
