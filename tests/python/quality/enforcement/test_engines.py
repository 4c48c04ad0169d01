"""The three engines on real tables: all green on what was built, the same findings on what was spoiled."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.parity import measure, render
from lab.postgres_server import PostgresServer
from mbp.cli import main as cli
from mbp.core.errors import EXIT_FINDINGS, MbpError
from mbp.core.masking import mask
from mbp.quality.enforcement.engine_runs import disagreements, failed, run
from mbp.quality.enforcement.results import ENGINES
from mbp.runs.dbt_process import environment
from mbp.warehouse import connect
from tests.python.built import Built, copied

pytestmark = [pytest.mark.slow, pytest.mark.postgres]
# One fault of each family, and one of each way in which the engines are told of a rule.
FAULTS = (
    "mbp_markets_market_id_unique",
    "mbp_markets_status_accepted_values",
    "mbp_markets_name_length",
    "mbp_quotes_fk",
    "mbp_quotes_price_range",
    "mbp_quotes_depth_2pct_not_null",
    "mbp_resolutions_rule_version_pattern",
    "mbp_quotes_volume",
    "twap_bound",
    "mbp_markets_close_after_open",
)


def test_all_three_engines_pass_what_was_built(
    built: Built, project_root: Path, tmp_path: Path
) -> None:
    docs = tmp_path / "docs"
    with environment(built.settings["postgres"]):
        results = run(project_root, ENGINES, "postgres", docs)

    assert len(results) == 3 * len({one.rule_id for one in results})
    assert {one.verdict for one in results} == {"pass"}
    assert not failed(results)
    pages = list(docs.rglob("*.html"))
    assert len(pages) > 4
    for page in pages:
        loaded = re.findall(
            r"<(?:link|script|img)[^>]*https?://[^>]*>", page.read_text(encoding="utf-8")
        )
        assert loaded == [], page.name


def test_on_duckdb_two_engines_judge_and_the_third_says_why_not(
    built: Built, project_root: Path
) -> None:
    with environment(built.settings["duckdb"]):
        results = run(project_root, ENGINES, "duckdb")
        with pytest.raises(MbpError, match="does not speak DuckDB"):
            run(project_root, ["gx"], "duckdb")
    verdicts = {
        engine: {one.verdict for one in results if one.engine == engine} for engine in ENGINES
    }
    assert verdicts == {"dbt": {"pass"}, "gx": {"not_applicable"}, "datacontract": {"pass"}}
    assert all(one.reason for one in results if one.engine == "gx")


def test_spoiled_rows_are_found_by_all_three_and_shown_without_personal_values(
    built: Built, project_root: Path, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    cli.register()
    with copied(built, postgres_server, "postgres", tmp_path) as settings, environment(settings):
        with connect(project_root, "postgres") as warehouse:
            warehouse.execute(
                "update marts.mbp_abuse_events set user_id_hash = 'jane@example.org'"
                " where abuse_event_id = (select min(abuse_event_id) from marts.mbp_abuse_events)"
            )
            warehouse.execute("update marts.mbp_markets set category = ''")
        arguments = [
            "quality",
            "run",
            "--engine",
            "all",
            "--target",
            "postgres",
            "--format",
            "json",
        ]
        result = CliRunner().invoke(cli.app, [*arguments, "--docs", str(tmp_path / "docs")])

    assert result.exit_code == EXIT_FINDINGS
    assert "action: data_contract_break" in result.stderr
    assert "jane" not in result.stdout
    written = [path for path in (tmp_path / "docs").rglob("*") if path.is_file()]
    texts = {path.name: path.read_bytes().decode("utf-8", "replace") for path in written}
    assert any(mask("jane@example.org") in text for text in texts.values())
    assert [name for name, text in texts.items() if "jane" in text] == []
    told = json.loads(result.stdout)
    assert told["disagreements"] == []
    broken = {
        (one["rule_id"], one["engine"]) for one in told["results"] if one["verdict"] == "fail"
    }
    assert broken == {
        (rule, engine)
        for rule in (
            "mbp_abuse_events_user_id_hash_pattern",
            "mbp_abuse_events_cdc_no_loss",
            "mbp_markets_category_length",
            "mbp_markets_cdc_no_loss",
        )
        for engine in ENGINES
    }
    failing = [one for one in told["results"] if one["verdict"] == "fail"]
    assert all(one["sample"] for one in failing)
    rows = {one["failing_rows"] for one in failing if one["rule_id"].startswith("mbp_abuse")}
    # One row with a plain name in it: it breaks its pattern, and is not what the change log says.
    assert rows == {1}


def test_a_table_that_is_not_there_is_an_error_for_every_engine(
    built: Built, project_root: Path, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with copied(built, postgres_server, "postgres", tmp_path) as settings, environment(settings):
        with connect(project_root, "postgres") as warehouse:
            warehouse.execute("drop table marts.mbp_abuse_events cascade")
        results = run(project_root, ENGINES, "postgres")
    of_it = [one for one in results if one.dataset == "mbp_abuse_events"]
    errors = [one for one in of_it if one.verdict == "error"]
    assert {one.engine for one in errors} == set(ENGINES)
    # dbt can still judge what reads the change log alone.
    others = {(one.engine, one.verdict) for one in of_it if one.verdict != "error"}
    assert others == {("dbt", "pass")}
    logs_only = {one.rule_id.removeprefix("mbp_abuse_events_") for one in of_it} - {
        one.rule_id.removeprefix("mbp_abuse_events_") for one in errors if one.engine == "dbt"
    }
    assert logs_only == {"cdc_order", "freshness", "latency"}
    assert failed(results)
    assert disagreements([one for one in results if one.dataset == "mbp_markets"]) == []


def test_faults_of_every_family_are_caught_by_all_three_alike(project_root: Path) -> None:
    parity = measure(project_root, chosen=FAULTS)
    assert parity.passed, render(parity)
    assert {parity.cell(rule, engine) for rule in FAULTS for engine in ENGINES} == {"caught"}
    for world in parity.worlds[1:]:
        for rule in world.faults:
            counts = {world.results[engine][rule].failing_rows for engine in ENGINES}
            assert len(counts) == 1 and None not in counts, (rule, counts)
