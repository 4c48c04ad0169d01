"""The drill itself, small: real servers, a real reader, the real watcher. The whole one is `mbp cdc drill`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.drill.drill_report import as_table
from lab.drill.played import Options
from lab.drill.scenario_runs import drill
from lab.simulate.schema import LOGS
from mbp.runs.dbt_process import environment

SMALL = Options(rows=5_000, kills=3, dark_seconds=1.0)


@pytest.mark.slow
@pytest.mark.postgres
def test_scenarios_end_with_every_row_once(project_root: Path, tmp_path: Path) -> None:
    said: list[str] = []
    with environment({"DBT_TARGET_PATH": str(tmp_path)}):
        results = drill(
            project_root,
            ["large_transaction", "source_restarted"],
            ["duckdb"],
            said.append,
            SMALL,
        )
    assert all(one.passed for one in results), as_table(results)
    # In the order of the runbook, whatever was asked for first.
    assert [one.scenario for one in results] == ["source_restarted", "large_transaction"]
    for one in results:
        assert len(one.tables) == len(LOGS)
        assert (one.lost, one.twice) == (0, 0)
        assert one.rows > 100
        assert one.recovered_seconds is not None
        assert 0 < one.recovered_seconds < 1200
        # The watcher looked, and measured a lag that is no constant.
        assert one.decision == "none"
        assert one.lag_p95_seconds is not None
        assert 0 < one.lag_p95_seconds < 120
        assert one.peak_memory_mib is not None
        assert one.peak_memory_mib > 50
    assert results[0].noticed_seconds is not None
    report = json.loads((tmp_path / "evidence" / "cdc_drill.json").read_text())
    assert [one["passed"] for one in report["results"]] == [True, True]
