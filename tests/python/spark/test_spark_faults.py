"""What breaks a rule on DuckDB breaks it on Spark, where no constraint helps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq
import pytest

from lab.simulate import Parameters, faults, generate
from mbp.contracts import load_contracts
from mbp.contracts.rules import all_rules
from mbp.quality.rule_findings import RuleVerdict, collect
from mbp.runs.dbt_process import run_dbt
from tests.python.spark.conftest import Both

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(1800)]

# One of each kind of rule, on rows that do not touch each other.
FAULTS = (
    "closed_market_no_trades",
    "liquidity_floor",
    "mbp_markets_min_liquidity_range",
    "mbp_markets_name_length",
    "mbp_quotes_cdc_order",
    "mbp_quotes_latency",
    "mbp_quotes_quote_id_pattern",
    "mbp_resolutions_fk",
    "mbp_resolutions_market_id_unique",
    "mbp_resolutions_source_kind_accepted_values",
    "quote_after_close",
    "resolution_sla",
    "twap_bound",
    "twap_reconciles",
)
# DuckDB refuses the row, and the build of its dataset with it; on Spark only the test can tell.
REFUSED_BY_DUCKDB = "mbp_abuse_events_kind_not_null"
DATASETS = ["+path:models/marts/mbp", "int_mbp__quotes_twap"]
SELECTION = ["--select", *DATASETS, "--exclude", "resource_type:seed"]


@pytest.fixture(scope="module")
def found(both: Both) -> Mapping[str, dict[str, RuleVerdict]]:
    """Engine -> rule -> finding, after one build of the same faulty logs."""
    clean = generate(Parameters())
    world = clean.copy()
    for rule in (*FAULTS, REFUSED_BY_DUCKDB):
        faults.find(rule, both.root).apply(world)
    changed = world.changed_tables(clean)
    assert changed
    copy = both.folder / "faulty" / both.duckdb_file.name  # views name the catalog
    copy.parent.mkdir()
    shutil.copyfile(both.duckdb_file, copy)
    with both.duckdb(copy) as duckdb:
        for table in changed:
            family, _, name = table.partition(".")
            file = both.folder / f"{table}.parquet"
            pq.write_table(world[table], file)
            place = f"sample_{family}.{name}"
            duckdb.execute(f"create or replace table {place} as from read_parquet('{file}')")
            frame = both.session.read.parquet(str(file))
            frame.write.mode("overwrite").saveAsTable(place)
    settings = {"duckdb": {"MBP_DUCKDB_PATH": str(copy), "MBP_RAW": "sample"}, "spark": {}}
    return {engine: _findings(both, engine, changes) for engine, changes in settings.items()}


def _findings(both: Both, engine: str, changes: Mapping[str, str]) -> dict[str, RuleVerdict]:
    artifacts = both.folder / f"faulty_{engine}"
    command = ["build", "--full-refresh", *SELECTION]
    outcome = run_dbt(
        both.root, command, target=engine, artifacts=artifacts, changes=changes, quiet=True
    )
    assert outcome.problem is None
    manifest, results = (
        json.loads((artifacts / "target" / name).read_text(encoding="utf-8"))
        for name in ("manifest.json", "run_results.json")
    )
    rules = all_rules(load_contracts(both.root))
    return {one.rule_id: one for one in collect(manifest, results, rules)}


def _failing(findings: Mapping[str, RuleVerdict]) -> dict[str, Any]:
    return {
        rule: finding.failing_rows
        for rule, finding in findings.items()
        if finding.is_broken and finding.dataset != "mbp_abuse_events"
    }


def test_each_fault_fails_its_rule_on_spark(found: Mapping[str, dict[str, RuleVerdict]]) -> None:
    verdicts = {rule: found["spark"][rule].verdict for rule in FAULTS}
    assert set(verdicts.values()) == {"fail"}, verdicts


def test_the_same_rules_fail_with_the_same_rows(
    found: Mapping[str, dict[str, RuleVerdict]],
) -> None:
    assert _failing(found["spark"]) == _failing(found["duckdb"])


def test_nothing_could_not_be_evaluated(found: Mapping[str, dict[str, RuleVerdict]]) -> None:
    assert [
        one for one in found["spark"].values() if one.verdict in ("error", "not_measured")
    ] == []


def test_what_duckdb_refuses_a_test_finds_on_spark(
    found: Mapping[str, dict[str, RuleVerdict]],
) -> None:
    refused, seen = (found[engine][REFUSED_BY_DUCKDB] for engine in ("duckdb", "spark"))
    assert refused.verdict == seen.verdict == "fail"
    assert "constraint" in refused.message
    assert seen.failing_rows == 1
