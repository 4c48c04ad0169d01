"""A warehouse of loaded data: what may never be published over it, and what may never be lost in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from lab.simulate.schema import KEYS, seed_name
from mbp.contracts import load_contracts
from mbp.core.errors import MbpError
from mbp.ingest.initialise import initialise
from mbp.operate.build import BuildRequest, build
from mbp.quality.compiled_tests import rule_queries
from mbp.runs.dbt_process import environment, run_dbt
from mbp.warehouse import connect
from tests.python.built import judged

VOLUME = "select quote_id, depth_2pct from marts.mbp_quotes order by quote_id"


@pytest.fixture(scope="module")
def loaded(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's rows as if they had been loaded, built."""
    folder = tmp_path_factory.mktemp("loaded")
    file = folder / "mbp.duckdb"
    with environment({"MBP_DUCKDB_PATH": str(file)}):
        with connect(project_root) as warehouse:
            initialise(project_root, warehouse)
            for table in KEYS:
                seed = project_root / "seeds" / "sample" / f"{seed_name(table)}.csv"
                warehouse.execute(
                    f"insert into raw_{table} from read_csv('{seed}', all_varchar = true)"
                )
        command = ["build", "--exclude-resource-type", "test"]
        outcome = run_dbt(project_root, command, artifacts=folder, changes=LIVE, quiet=True)
    assert outcome.success, outcome.problem
    return file


@pytest.fixture
def live(loaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it for one test, in which `MBP_RAW` was forgotten again."""
    file = tmp_path / loaded.name
    shutil.copyfile(loaded, file)
    for name, value in {
        "MBP_DUCKDB_PATH": str(file),
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
    }.items():
        monkeypatch.setenv(name, value)
    return file


def failing(project_root: Path, rule: str, **changes: str) -> list[str]:
    """What the rule's test says of its rows."""
    outcome = run_dbt(
        project_root,
        ["test", "--select", rule, "--store-failures"],
        changes=LIVE | changes,
        quiet=True,
    )
    (result,) = judged(outcome)
    return [str(result.status), *([str(result.failures)] if result.failures else [])]


def test_our_guard_lets_each_rule_of_loaded_data_run(
    project_root: Path, loaded: Path, live: Path
) -> None:
    """A replay of loaded data finds its end by other SQL than the sample."""
    parsed = {"DBT_TARGET_PATH": str(loaded.parent / "target")}
    with environment(parsed):
        queries = rule_queries(project_root, "duckdb", LIVE | {"MBP_DUCKDB_PATH": str(live)})
    assert queries.keys() >= {rule.id for one in load_contracts(project_root) for rule in one.rules}
    assert "__source_ts_ms" in queries["mbp_quotes_freshness"], "not the end of loaded data"


SAY_NOTHING = (
    "_loaded_at = null",
    "_loaded_at = _loaded_at - interval '1 day'",
    "__op = 'x'",
    "__op = null",
    "__deleted = 'perhaps'",
    "__source_lsn = null",
)


@pytest.mark.slow
def test_a_change_that_does_not_say_what_it_is_breaks_the_order(
    project_root: Path, live: Path
) -> None:
    with duckdb.connect(str(live)) as connection:
        keys = connection.execute(
            "select quote_id from raw_mbp.quotes group by quote_id having count(*) = 1"
            f" order by quote_id limit {len(SAY_NOTHING)}"
        ).fetchall()
        for (key,), column in zip(keys, SAY_NOTHING, strict=True):
            connection.execute(f"update raw_mbp.quotes set {column} where quote_id = '{key}'")
    assert failing(project_root, "mbp_quotes_cdc_order") == ["fail", str(len(SAY_NOTHING))]


@pytest.mark.slow
def test_an_arrival_in_the_future_is_not_fresh(project_root: Path, live: Path) -> None:
    with duckdb.connect(str(live)) as connection:
        connection.execute(
            "insert into raw_mbp.quotes select * replace (timestamptz '2026-03-01 00:00:00+00' as"
            " _loaded_at, __source_lsn + 100000 as __source_lsn) from raw_mbp.quotes limit 1"
        )
        (newest,) = (
            connection.execute("select max(_loaded_at) from raw_mbp.markets").fetchone() or ()
        )
    now = {"MBP_NOW": "2026-01-12 00:00:00"}
    assert str(newest) < "2026-01-12"
    assert failing(project_root, "mbp_quotes_freshness", **now)[0] == "fail"
    source = run_dbt(
        project_root,
        ["source", "freshness", "--select", "source:raw_mbp.quotes"],
        changes=LIVE | now,
        quiet=True,
    )
    assert not source.success


@pytest.mark.slow
def test_rows_of_another_origin_are_never_added_to(project_root: Path, live: Path) -> None:
    before = published(live)
    with duckdb.connect(str(live)) as connection:
        connection.execute("update intermediate.applied_logs set origin = 'sample'")
    refused = run_dbt(project_root, ["run"], changes=LIVE, quiet=True)
    assert not refused.success
    told = [str(result.message) for result in refused.result or ()] + [str(refused.problem)]
    assert any("--full-refresh" in message for message in told), told
    assert published(live) == before
    assert run_dbt(project_root, ["run", "--full-refresh"], changes=LIVE, quiet=True).success
    assert run_dbt(project_root, ["run"], changes=LIVE, quiet=True).success


LIVE = {"MBP_RAW": "loaded", "MBP_NOW": "end_of_data"}


def published(file: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(VOLUME).fetchall()


@pytest.mark.slow
def test_the_sample_is_never_published_over_loaded_data(project_root: Path, live: Path) -> None:
    with duckdb.connect(str(live)) as connection:
        connection.execute("update marts.mbp_quotes set depth_2pct = 77777")
    before = published(live)
    with pytest.raises(MbpError, match=r"holds loaded data.*Fix: set MBP_RAW=loaded"):
        build(BuildRequest(project_root))
    assert not run_dbt(project_root, ["build", "--full-refresh"], quiet=True).success
    assert published(live) == before


@pytest.mark.slow
def test_an_update_that_slips_past_the_lookback_is_told(project_root: Path, live: Path) -> None:
    with duckdb.connect(str(live)) as connection:
        connection.execute(
            "insert into raw_mbp.quotes select * replace ('u' as __op, __source_lsn + 1 as __source_lsn,"
            " depth_2pct + 12345 as depth_2pct) from raw_mbp.quotes"
            " where quote_id = (select min(quote_id) from raw_mbp.quotes"
            " where _loaded_at < timestamptz '2026-01-05 12:00:00+00' and __op = 'c')"
        )
    assert run_dbt(project_root, ["run"], changes=LIVE, quiet=True).success
    outcome = run_dbt(
        project_root, ["test", "--select", "mbp_quotes_cdc_no_loss"], changes=LIVE, quiet=True
    )
    (result,) = judged(outcome)
    assert (str(result.status), result.failures) == ("fail", 1)
