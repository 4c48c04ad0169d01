"""What is missing is told in one line before dbt starts; what is excluded is excluded by its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from mbp.core.errors import MbpError
from mbp.ingest.loading.source_facts import NOTHING_ABSENT, SourceFacts
from mbp.operate.build import BuildRequest, build, empty_datasets, names_of_tests


@pytest.fixture
def root(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copy_project: Any
) -> Path:
    copy_project(project_root, tmp_path)
    for name in ("MBP_RAW", "DBT_PROFILES_DIR", "DBT_TARGET", "MBP_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "mbp.duckdb"))
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path / "logs"))
    return tmp_path


def refusal(root: Path, **options: Any) -> str:
    with pytest.raises(MbpError) as caught:
        build(BuildRequest(root=root, **options))
    assert "\n" not in str(caught.value)
    assert not (root / "target" / "run_results.json").exists()
    return str(caught.value)


def test_a_stale_rendered_file(root: Path) -> None:
    name = "models/marts/mbp/_mbp__models.gen.yml"
    (root / name).write_text((root / name).read_text() + "# changed by hand\n")
    told = refusal(root)
    assert told.startswith(f"{name}: differs from the contracts. Fix: run `mbp contracts render`")


def test_a_missing_seed(root: Path) -> None:
    (root / "seeds/sample/raw_mbp__quotes.csv").unlink()
    told = refusal(root)
    assert told.startswith("seeds/sample/_sample__seeds.gen.yml:")
    assert "has no file seeds/sample/raw_mbp__quotes.csv" in told


@pytest.mark.parametrize("full_refresh", [False, True])
def test_the_sample_over_loaded_data(root: Path, full_refresh: bool) -> None:
    with duckdb.connect(str(root / "mbp.duckdb")) as connection:
        connection.execute("create schema raw_mbp; create table raw_mbp.quotes as select 1 as a")
    told = refusal(root, full_refresh=full_refresh)
    assert told.startswith("raw_mbp.quotes holds loaded data")
    assert "Fix: set MBP_RAW=loaded" in told
    with duckdb.connect(str(root / "mbp.duckdb")) as connection:
        assert connection.execute("from raw_mbp.quotes").fetchall() == [(1,)]


def test_a_postgres_that_is_down(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBP_PG_HOST", "127.0.0.1")
    monkeypatch.setenv("MBP_PG_PORT", "1")
    monkeypatch.setenv("MBP_PG_PASSWORD", "not-a-secret")
    told = refusal(root, target="postgres")
    assert told.startswith("PostgreSQL at 127.0.0.1:1/")
    assert "not-a-secret" not in told


def test_a_locked_duckdb_file(root: Path) -> None:
    hold = (
        "import duckdb, sys; kept = duckdb.connect(sys.argv[1]); print('open', flush=True);"
        " sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(root / "mbp.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        told = refusal(root)
        holder.communicate("")
    assert told.startswith("mbp.duckdb: another process has this DuckDB file open. Fix:")


def test_loaded_data_that_was_never_loaded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBP_RAW", "loaded")
    told = refusal(root)
    assert told.startswith("nothing was loaded: raw_mbp.abuse_events, raw_mbp.markets,")
    assert "mbp load" in told


def test_an_unknown_target(root: Path) -> None:
    assert "no target 'oracle'" in refusal(root, target="oracle")


def node(name: str, kind: str = "test", **meta: Any) -> SimpleNamespace:
    return SimpleNamespace(name=name, resource_type=kind, config=SimpleNamespace(meta=meta))


NODES = {
    "test.p.a": node("mbp_quotes_volume", rule_id="mbp_quotes_volume"),
    "test.p.b": node("a_test", rule_id="liquidity_floor"),
    "model.p.c": node("mbp_quotes", "model"),
}


def test_a_rule_is_left_out_by_the_name_of_its_test() -> None:
    assert names_of_tests(NODES, {"liquidity_floor": "why"}) == ["a_test"]
    assert names_of_tests(NODES, {}) == []


def test_a_rule_without_a_test_cannot_be_left_out() -> None:
    with pytest.raises(MbpError, match="no dbt test carries the rule twap_bound"):
        names_of_tests(NODES, {"twap_bound": "why"})


def test_only_a_dataset_that_the_source_does_not_have_may_be_empty() -> None:
    rows = {"mbp_quotes": 0, "mbp_markets": 7, "mbp_abuse_events": 0, "mbp_resolutions": None}
    facts = SourceFacts({"mbp_quotes": {"depth_2pct": ""}}, {"mbp_abuse_events": "none"}, {})
    assert empty_datasets(rows, facts) == ["mbp_quotes"]
    assert empty_datasets(rows, NOTHING_ABSENT) == ["mbp_quotes", "mbp_abuse_events"]
