"""What the engines are fed, rule by rule."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mbp.contracts import load_contracts
from mbp.core.errors import MbpError
from mbp.quality.compiled_tests import read_tests
from mbp.quality.enforcement.datacontract_engine import feed
from mbp.quality.enforcement.engine_runs import disagreements, failed, suite
from mbp.quality.enforcement.gx_engine import expectation
from mbp.quality.enforcement.results import RuleResult, complete

SERVER = {"type": "duckdb", "database": "x.duckdb"}


def _queries(root: Path) -> dict[str, str]:
    return {rule.id: "select 1" for one in load_contracts(root) for rule in one.rules}


def test_no_column_has_two_rules_of_one_metric_in_what_datacontract_is_fed(
    project_root: Path,
) -> None:
    """datacontract-cli 1.2.8 fails every check of the table then."""
    for contract in load_contracts(project_root):
        document, checks = feed(contract, _queries(project_root), SERVER)
        assert checks.keys() == {rule.id for rule in contract.rules}
        (table,) = document["schema"]
        for column in table["properties"]:
            metrics = Counter(rule["metric"] for rule in column.get("quality", ()))
            assert all(count == 1 for count in metrics.values()), column["name"]
            assert not {"logicalTypeOptions", "required", "unique"} & column.keys()


def test_an_open_interval_is_sql_for_datacontract_and_an_expectation_for_gx(
    project_root: Path,
) -> None:
    quotes = next(one for one in load_contracts(project_root) if one.dataset == "mbp_quotes")
    rule = next(one for one in quotes.rules if one.id == "mbp_quotes_price_range")
    _, checks = feed(quotes, _queries(project_root), SERVER)
    assert checks[rule.id].query == "select 1"
    assert checks[rule.id].reason

    made, check = expectation(rule, "select 1")
    assert check.query is None
    assert (made.min_value, made.max_value) == (0, 1)
    assert made.strict_min and made.strict_max
    assert made.meta["rule_id"] == rule.id


def test_a_rule_without_a_test_stops_the_feed(project_root: Path) -> None:
    (contract, *_) = load_contracts(project_root)
    with pytest.raises(MbpError, match="no test carries the rule"):
        feed(contract, {}, SERVER)


def test_a_rule_that_an_engine_is_silent_about_is_an_error() -> None:
    (found,) = complete([], [("a", "mbp_quotes")], "gx")
    assert (found.verdict, found.reason) == ("error", "the engine gave no result")
    assert failed([found])


def test_engines_that_say_different_things_fail_the_run() -> None:
    results = [
        RuleResult("a", "mbp_quotes", "dbt", "pass"),
        RuleResult("a", "mbp_quotes", "gx", "warn"),
        RuleResult("a", "mbp_quotes", "datacontract", "not_applicable", reason="no words"),
    ]
    assert disagreements(results) == ["a: dbt pass, Great Expectations warn"]
    assert failed(results)
    assert [one.code for one in suite(results, set()).findings] == ["a", "engines_disagree"]
    assert not failed(results[1:])


def test_rules_of_loaded_data_are_read_without_the_raw_tables_of_the_sample() -> None:
    node = {
        "unique_id": "test.mbp.named.1",
        "name": "named",
        "resource_type": "test",
        "depends_on": {"nodes": []},
        "compiled_code": "select 1 as one",
        "config": {"meta": {"rule_id": "the_rule"}, "severity": "ERROR"},
    }
    [test] = read_tests(
        {"metadata": {"adapter_type": "duckdb"}, "nodes": {node["unique_id"]: node}}
    )
    assert (test.rule_id, test.sql) == ("the_rule", "select 1 as one")
