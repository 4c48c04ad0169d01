"""A warehouse of loaded data: what may never be published over it, and what may never be lost in it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from mbp.building.build import BuildRequest, build
from mbp.building.dbt_process import run_dbt
from mbp.errors import MbpError
from mbp.warehouse import connect
from mbp.warehouse.initialise import initialise

VOLUME = "select quote_id, depth_2pct from marts.mbp_quotes order by quote_id"


@pytest.fixture
def live(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample's rows as if they had been loaded, built; `MBP_RAW` is then forgotten again."""
    file = tmp_path / "live.duckdb"
    for name, value in {
        "MBP_DUCKDB_PATH": str(file),
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
    }.items():
        monkeypatch.setenv(name, value)
    with connect(project_root) as warehouse:
        initialise(project_root, warehouse)
        for table in ("markets", "quotes", "resolutions", "abuse_events"):
            seed = project_root / "seeds" / "sample" / f"raw_mbp__{table}.csv"
            warehouse.execute(
                f"insert into raw_mbp.{table} from read_csv('{seed}', all_varchar = true)"
            )
    outcome = run_dbt(project_root, ["run"], changes=LIVE, quiet=True)
    assert outcome.success, outcome.problem
    return file


LIVE = {"MBP_RAW": "loaded", "MBP_NOW": "end_of_data"}


def published(file: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(VOLUME).fetchall()


@pytest.mark.slow
def test_the_sample_is_never_published_over_loaded_data(project_root: Path, live: Path) -> None:
    with duckdb.connect(str(live)) as connection:
        connection.execute("update marts.mbp_quotes set depth_2pct = 77777")
    before = published(live)
    with pytest.raises(MbpError, match=r"holds loaded data.*Cure: set MBP_RAW=loaded"):
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
    tested = run_dbt(
        project_root, ["test", "--select", "mbp_quotes_cdc_no_loss"], changes=LIVE, quiet=True
    )
    (result,) = tested.result
    assert (str(result.status), result.failures) == ("fail", 1)
