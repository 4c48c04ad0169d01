"""Real data: prediction markets on scientific replications, when the folder is beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbp.ingest.loading.load_sources import load_folder
from mbp.operate.build import BuildRequest, build


@pytest.mark.slow
def test_the_whole_build_passes_on_real_markets(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project_root.parent / "shared" / "data" / "pooledmarket"
    if not folder.is_dir():
        pytest.skip("the pooledmarket data is not beside the repository")
    for name, value in {
        "MBP_DUCKDB_PATH": str(tmp_path / "pooledmarket.duckdb"),
        "MBP_RAW": "loaded",
        "MBP_NOW": "end_of_data",
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
    }.items():
        monkeypatch.setenv(name, value)
    mapping = project_root / "contracts" / "mappings" / "pooledmarket.yaml"
    report = load_folder(project_root, folder, mapping)
    assert {one.table: one.loaded for one in report.tables} == {
        "markets": 103,
        "quotes": 7849,
        "resolutions": 103,
    }
    assert report.rejected == 0
    summary = build(BuildRequest(project_root))
    assert summary.passed
    assert summary.rows["mbp_quotes"] == 7849
    tests = summary.tests["A89"]
    assert tests["fail"] == tests["warn"] == tests["not_run"] == 0
    assert tests["pass"] >= 45
    unmeasured = {finding.rule_id for finding in summary.findings if finding.is_unmeasured}
    assert {"twap_reconciles", "resolution_sla", "liquidity_floor", "abuse_action"} <= unmeasured
    # It reads the history of a status, and the source does not tell when a market last changed.
    assert "closed_market_no_trades" in unmeasured
    assert not {"quote_after_close", "mbp_quotes_fk"} & unmeasured
