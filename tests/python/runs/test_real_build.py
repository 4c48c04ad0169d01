"""The path that users take, once: a sample with three faults, `dbt build`, the summary, the rows.

Two faults stand in the raw logs (a null that a constraint refuses, a broken domain rule) beside a
broken personal column; a fourth is made in a mart after the build.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.simulate import Parameters, faults, generate
from lab.simulate.writers import write_world
from mbp.core.reporting.output_forms import written
from mbp.operate.build import BuildRequest, build
from mbp.operate.summary import BuildSummary, render
from mbp.quality import failures
from mbp.quality.failures import Failures, look_at_last_run
from mbp.quality.rule_findings import RuleVerdict
from mbp.quality.samples import FailingRows
from mbp.runs.dbt_process import run_dbt
from mbp.warehouse import connect

pytestmark = pytest.mark.slow

RAW_FAULTS = (
    "mbp_quotes_price_not_null",
    "resolution_sla",
    "mbp_abuse_events_user_id_hash_pattern",
)
MART_FAULT = "mbp_abuse_events_cdc_no_loss"

CopyProject = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Built:
    """A copy of the project after its build, and what was in its faulty world."""

    root: Path
    summary: BuildSummary
    failures: Failures
    user_hashes: frozenset[str]


@pytest.fixture(scope="module")
def built(
    project_root: Path, tmp_path_factory: pytest.TempPathFactory, copy_project: CopyProject
) -> Iterator[Built]:
    root = tmp_path_factory.mktemp("faulty") / "project"
    root.mkdir()
    copy_project(project_root, root)
    world = generate(Parameters())
    for rule_id in RAW_FAULTS:
        faults.find(rule_id, root).apply(world)
    write_world(world, root / "seeds" / "sample")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MBP_RAW", "MBP_NOW", "DBT_PROFILES_DIR", "DBT_TARGET", "MBP_PROJECT_DIR"):
            patch.delenv(name, raising=False)
        patch.setenv("MBP_DUCKDB_PATH", str(root / "mbp.duckdb"))
        patch.setenv("DBT_TARGET_PATH", str(root / "target"))
        patch.setenv("DBT_LOG_PATH", str(root / "logs"))
        summary = build(BuildRequest(root=root))
        failures = look_at_last_run(root, limit=3)
        hashes = frozenset(world["mbp.abuse_events"]["user_id_hash"].to_pylist())
        yield Built(root, summary, failures, hashes)


def found(built: Built, rule_id: str) -> tuple[RuleVerdict, FailingRows]:
    return next(pair for pair in built.failures.findings if pair[0].rule_id == rule_id)


def test_the_build_fails_and_names_exactly_the_broken_rules(built: Built) -> None:
    assert not built.summary.passed
    broken = {
        one.rule_id for one in built.summary.findings if one.verdict in ("fail", "warn", "error")
    }
    assert broken == set(RAW_FAULTS)
    text = render(built.summary)
    assert text.startswith("build FAILED on duckdb (sample data)")
    for rule_id in RAW_FAULTS:
        assert rule_id in text


def test_a_refused_null_is_the_finding_of_its_rule_with_its_row(built: Built) -> None:
    finding, sample = found(built, "mbp_quotes_price_not_null")
    assert finding.verdict == "fail"
    assert finding.node == "model.mbp.mbp_quotes"
    assert finding.owner == "DATA"
    assert sample.failing_rows == 1
    (row,) = sample.rows
    assert row["price"] is None
    assert row["quote_id"]


def test_what_the_refused_build_kept_from_running_is_not_passed(built: Built) -> None:
    finding, _ = found(built, "mbp_quotes_price_range")
    assert (finding.verdict, finding.message) == (
        "not_measured",
        "not checked: mbp_quotes did not build",
    )
    assert built.summary.models_failed >= 1
    assert built.summary.tests["A89"]["not_run"] > 0
    assert built.summary.rows["mbp_quotes"] is None
    assert built.summary.rows["mbp_markets"]


def test_a_domain_rule_shows_whole_rows_and_its_meaning(built: Built) -> None:
    finding, sample = found(built, "resolution_sla")
    assert (finding.failing_rows, len(sample.rows)) == (1, 1)
    assert "24 h" in finding.description
    assert sample.rows[0]["resolution_id"]


def test_no_personal_value_is_shown_anywhere(built: Built) -> None:
    _, sample = found(built, "mbp_abuse_events_user_id_hash_pattern")
    assert sample.rows
    assert "user_id_hash" in sample.hidden
    shown = built.failures
    text = written(failures.suite(shown), "text")
    text += json.dumps(failures.as_json(shown))
    assert built.user_hashes
    for value in built.user_hashes:
        assert value not in text


def test_fresh_results_are_not_called_stale(built: Built) -> None:
    assert built.failures.notes == []


def test_a_row_lost_from_a_mart_is_found_by_dbt_test(built: Built) -> None:
    fault: Any = faults.find(MART_FAULT, built.root)
    with connect(built.root, "duckdb") as warehouse:
        for statement in fault.statements:
            warehouse.execute(statement)
    outcome = run_dbt(built.root, ["test", "--select", MART_FAULT], quiet=True)
    assert not outcome.success
    after = look_at_last_run(built.root)
    verdicts = {one.rule_id: one.verdict for one, _ in after.findings}
    assert verdicts[MART_FAULT] == "fail"
    # one test of many ran: the others are said to be missing, never taken for passed
    assert verdicts["mbp_quotes_fk"] == "not_measured"
    assert after.passed == 0
