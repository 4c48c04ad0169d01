"""One wrong place in otherwise right contracts: one message with file, line and fix."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from typing import NamedTuple

import pytest
from contracts_project import ABUSE_EVENTS, MARKETS, QUOTES, RESOLUTIONS, SOON, Project

from mbp.contracts import load_contracts
from mbp.contracts.contract_status import matrix
from mbp.contracts.lint.runner import lint
from mbp.contracts.policy import POLICY
from mbp.core.errors import MbpError


class Case(NamedTuple):
    """`old` becomes `new` in `file`; the message has `says` and the line of `at`."""

    file: str
    old: str
    new: str
    says: str
    at: str


CASES = {
    "broken YAML": Case(QUOTES, "status: active", "status: [active", "not valid YAML", "domain:"),
    "duplicate key": Case(
        QUOTES,
        "status: active\n",
        "status: active\nversion: 1.0.9\n",
        "duplicate key",
        "version: 1.0.9",
    ),
    "unknown key of the contract": Case(
        QUOTES,
        "status: active",
        "statsu: active",
        "unknown key 'statsu'. Fix: did you mean 'status'?",
        "statsu",
    ),
    "unknown key of a dataset": Case(
        QUOTES,
        "dataGranularityDescription:",
        "dataGranularityDescripton:",
        "unknown key 'dataGranularityDescripton' in schema[0]. "
        "Fix: did you mean 'dataGranularityDescription'?",
        "dataGranularityDescripton",
    ),
    "unknown key of a column": Case(
        QUOTES,
        "        required: true\n",
        "        requird: true\n",
        "unknown key 'requird' in schema[0].properties[0]. Fix: did you mean 'required'?",
        "requird",
    ),
    "unknown key of a quality entry": Case(
        QUOTES,
        "        metric: rowCount",
        "        metrics: rowCount",
        "unknown key 'metrics'",
        "metrics: rowCount",
    ),
    "unknown option of a type": Case(
        QUOTES,
        "exclusiveMinimum: 0, exclusiveMaximum: 1",
        "exclusiveMinimun: 0, exclusiveMaximum: 1",
        "did you mean 'exclusiveMinimum'?",
        "exclusiveMinimun",
    ),
    "unknown key of a service level": Case(
        QUOTES,
        "    driver: operational",
        "    drivr: operational",
        "did you mean 'driver'?",
        "drivr",
    ),
    "unknown key of the team": Case(
        QUOTES,
        "team:\n  name: DATA",
        "team:\n  nam: DATA",
        "unknown key 'nam' in team",
        "nam: DATA",
    ),
    "unknown key of a server": Case(
        QUOTES,
        "    host: localhost",
        "    hots: localhost",
        "unknown key 'hots' in servers[1]. Fix: did you mean 'host'?",
        "hots",
    ),
    "unknown key of a relationship": Case(
        QUOTES,
        "to: mbp_markets.market_id",
        "tow: mbp_markets.market_id",
        "unknown key 'tow' in schema[0].properties[1].relationships[0]",
        "tow:",
    ),
    "unknown custom property": Case(
        QUOTES,
        "- property: unit\n            value: probability",
        "- property: unti\n            value: probability",
        "unknown customProperty 'unti'. Fix: did you mean 'unit'?",
        "- property: unti",
    ),
    "another version of the standard": Case(
        QUOTES,
        "apiVersion: v3.1.0",
        "apiVersion: v3.0.2",
        "expected apiVersion v3.1.0",
        "apiVersion",
    ),
    "version that is not semantic": Case(
        QUOTES, "version: 1.1.1", "version: '1.0'", "expected a semantic version", "version: '1.0'"
    ),
    "wrong type of a value": Case(
        QUOTES,
        "required: true",
        "required: sometimes",
        "expected boolean, found 'sometimes'",
        "required: sometimes",
    ),
    "no team": Case(
        QUOTES,
        "team:\n  name: DATA\n",
        "team:\n",
        "missing or empty 'name'",
        "description: >-\n    Answers",
    ),
    "unknown team": Case(
        QUOTES,
        "team:\n  name: DATA",
        "team:\n  name: DATTA",
        "unknown owner 'DATTA'. Fix: did you mean 'DATA'?",
        "name: DATTA",
    ),
    "no purpose": Case(QUOTES, "  purpose: >-", "  usages: >-", "unknown key 'usages'", "usages"),
    "column without classification": Case(
        QUOTES,
        "        classification: internal\n        logicalTypeOptions",
        "        logicalTypeOptions",
        "mbp_quotes.quote_id: missing or empty 'classification'",
        "- name: quote_id",
    ),
    "unknown classification": Case(
        QUOTES,
        "classification: internal",
        "classification: internl",
        "did you mean 'internal'?",
        "internl",
    ),
    "empty description": Case(
        QUOTES,
        "description: >-\n          Identifies the quote; a correction keeps it.",
        "description: ' '",
        "mbp_quotes.quote_id: missing or empty 'description'",
        "description: ' '",
    ),
    "a type that the table of engines has not": Case(
        QUOTES,
        "physicalType: string",
        "physicalType: uuid",
        "mbp_quotes.quote_id: physicalTypes has no type for duckdb, postgres, spark",
        "- name: quote_id",
    ),
    "an engine without a type": Case(
        QUOTES,
        "          - property: ruleReasons\n",
        "          - property: physicalTypes\n            value: {duckdb: UUID, postgres: uuid}\n"
        "          - property: ruleReasons\n",
        "mbp_quotes.quote_id: physicalTypes has no type for spark",
        "value: {duckdb: UUID",
    ),
    "an unknown engine": Case(
        QUOTES,
        "          - property: ruleReasons\n",
        "          - property: physicalTypes\n            value: {postgre: uuid}\n"
        "          - property: ruleReasons\n",
        "unknown engine 'postgre' in physicalTypes. Fix: did you mean 'postgres'?",
        "postgre: uuid",
    ),
    "no key": Case(
        QUOTES,
        "        primaryKey: true\n        primaryKeyPosition: 1\n",
        "",
        "expected one column with primaryKey: true, found none",
        "    properties:",
    ),
    "two columns of one name": Case(
        QUOTES,
        "- name: volume\n",
        "- name: price\n",
        "mbp_quotes.price: column 'price' is there twice, first on line ",
        "- name: price\n        description: >-\n          Shares traded",
    ),
    "foreign key to an unknown dataset": Case(
        QUOTES,
        "to: mbp_markets.market_id",
        "to: mbp_market.market_id",
        "did you mean 'mbp_markets'?",
        "- type: foreignKey",
    ),
    "foreign key to an unknown column": Case(
        QUOTES,
        "to: mbp_markets.market_id",
        "to: mbp_markets.id",
        "unknown column 'id' of mbp_markets",
        "- type: foreignKey",
    ),
    "bounds of two kinds": Case(
        QUOTES,
        "exclusiveMinimum: 0, exclusiveMaximum: 1",
        "minimum: 0, exclusiveMaximum: 1",
        "make both bounds exclusive, or neither",
        "logicalTypeOptions: {minimum: 0, exclusiveMaximum",
    ),
    "range without a reason": Case(
        QUOTES,
        "          - property: ruleReasons\n            value:\n              range: >-\n"
        "                A trade moves a positive number of shares; direction is not part of the\n"
        "                quote.\n",
        "",
        "mbp_quotes.volume: the range has no reason",
        "- name: volume",
    ),
    "pattern that is not anchored": Case(
        QUOTES,
        "_.:-]*$'",
        "_.:-]*'",
        "would match a part of a value",
        "logicalTypeOptions: {pattern",
    ),
    "option that nobody checks": Case(
        QUOTES,
        "{minimum: 0}",
        "{minimum: 0, multipleOf: 2}",
        "no check exists for the option 'multipleOf'",
        "{minimum: 0, multipleOf",
    ),
    "unknown service level": Case(
        QUOTES,
        "property: freshness",
        "property: freshnes",
        "did you mean 'freshness'?",
        "- id: freshness",
    ),
    "service level twice": Case(
        QUOTES,
        "property: latency",
        "property: freshness",
        "service level 'freshness' is there twice, first on line ",
        "- id: latency",
    ),
    "unknown unit of time": Case(
        QUOTES,
        "unit: m\n",
        "unit: fortnight\n",
        "unknown unit of time 'fortnight'",
        "- id: freshness",
    ),
    "completeness with a tolerance": Case(
        QUOTES,
        "value: 100\n    unit: percent",
        "value: 99\n    unit: percent",
        "expected 100 percent, found 99",
        "value: 99",
    ),
    "rule of an unknown column": Case(
        QUOTES,
        "              - volume\n",
        "              - volum\n",
        "unknown column 'volum' of mbp_quotes. Fix: did you mean 'volume'?",
        "- volum\n",
    ),
    "columns that are not a list": Case(
        QUOTES,
        "value:\n              - market_id\n              - quoted_at\n              - mbp_markets.closed_at",
        "value: '[market_id]'",
        "columns: expected a list of names",
        "value: '[market_id]'",
    ),
    "rule that names no columns": Case(
        QUOTES,
        "          - property: columns\n            value:\n"
        "              - market_id\n              - quoted_at\n              - mbp_markets.closed_at\n",
        "",
        "quote_after_close: the rule names no columns",
        "- id: quote_after_close",
    ),
    "rule without an owner": Case(
        QUOTES,
        "          - property: owner\n            value: PM\n",
        "",
        "closed_market_no_trades: the rule has no owner",
        "- id: closed_market_no_trades",
    ),
    "rule of an unknown owner": Case(
        QUOTES,
        "- property: owner\n            value: PM",
        "- property: owner\n            value: MP",
        "unknown owner 'MP'",
        "value: MP",
    ),
    "rule of an unknown family": Case(
        ABUSE_EVENTS,
        "value: consistency",
        "value: consistence",
        "did you mean 'consistency'?",
        "value: consistence",
    ),
    "family that is not that of the metric": Case(
        QUOTES,
        "value: volume\n",
        "value: freshness\n",
        "expected the family 'volume' of its metric",
        "value: freshness",
    ),
    "dimension that is not that of the family": Case(
        QUOTES,
        "dimension: completeness",
        "dimension: accuracy",
        "expected 'completeness'",
        "dimension: accuracy",
    ),
    "dimension outside the standard": Case(
        QUOTES,
        "dimension: completeness",
        "dimension: beauty",
        "expected one of",
        "dimension: beauty",
    ),
    "severity that is not allowed": Case(
        QUOTES,
        "severity: error",
        "severity: info",
        "the policy does not allow the severity 'info'",
        "severity: info",
    ),
    "rule without an id": Case(
        QUOTES,
        "      - id: mbp_quotes_volume\n        type",
        "      - type",
        "has no 'id'",
        "- type: library",
    ),
    "rule id used by another dataset": Case(
        QUOTES,
        "- id: mbp_quotes_volume",
        "- id: mbp_markets_volume",
        f"duplicate rule id 'mbp_markets_volume', first at {MARKETS}:",
        "- id: mbp_markets_volume",
    ),
    "rule id that is derived already": Case(
        QUOTES,
        "- id: mbp_quotes_volume",
        "- id: mbp_quotes_price_range",
        "duplicate rule id",
        "- id: mbp_quotes_price_range",
    ),
    "warning without an expiry": Case(
        QUOTES,
        f"          - property: expires\n            value: {SOON}\n",
        "",
        "trade_after_scheduled_close: the warning has no expiry",
        "- id: trade_after_scheduled_close",
    ),
    "expiry that is not a date": Case(
        QUOTES, f"value: {SOON}", "value: soon", "expires: expected YYYY-MM-DD", "value: soon"
    ),
    "error that expires": Case(
        QUOTES,
        "severity: warning",
        "severity: error",
        "trade_after_scheduled_close: an error cannot expire",
        f"value: {SOON}",
    ),
    "threshold without a reason": Case(
        QUOTES,
        "          - property: reason\n            value: >-\n"
        "              The quietest market place makes more than a hundred quotes in its first day;\n"
        "              fewer rows mean that the log was cut. Set 2026-11-23.\n",
        "",
        "mbp_quotes_volume: the rule has no reason",
        "- id: mbp_quotes_volume",
    ),
    "generic test that is not there": Case(
        QUOTES,
        "test: quote_after_close",
        "test: quote_after_closed",
        "there is no generic test quote_after_closed in the test-paths or macro-paths",
        "test: quote_after_closed",
    ),
    "unknown key of an implementation": Case(
        QUOTES,
        "test: quote_after_close",
        "tests: quote_after_close",
        "did you mean 'test'?",
        "tests",
    ),
    "singular test": Case(
        QUOTES,
        "test: quote_after_close",
        "singular: assert_quote_after_close",
        "make it generic: `{% test name(model) %}` around its SQL, and `test: name` here",
        "singular: assert_quote_after_close",
    ),
    "metric that no test is made for": Case(
        MARKETS,
        "metric: invalidValues",
        "metric: missingValues",
        "no test is made for the metric 'missingValues'",
        "- id: mbp_markets_truth_source_accepted_values",
    ),
    "list of values that is empty": Case(
        MARKETS,
        "validValues: [table, manual, endpoint]",
        "validValues: []",
        "expected arguments: {validValues: [...]}",
        "- id: mbp_markets_truth_source_accepted_values",
    ),
    "values with a tolerance": Case(
        MARKETS,
        "mustBe: 0",
        "mustBe: 3",
        "expected mustBe: 0, found {'mustBe': 3}",
        "- id: mbp_markets_truth_source_accepted_values",
    ),
    "contract id used twice": Case(
        RESOLUTIONS,
        "id: urn:mbp:datacontract:mbp_resolutions",
        "id: urn:mbp:datacontract:mbp_quotes",
        "duplicate contract id",
        "",
    ),
    "physical name of another table": Case(
        QUOTES,
        "physicalName: mbp_quotes",
        "physicalName: quotes",
        "expected 'mbp_quotes', the name of the dataset",
        "physicalName: quotes",
    ),
    "unknown key of the policy": Case(
        POLICY, "max_days_ahead", "max_days", "did you mean 'max_days_ahead'?", "max_days"
    ),
    "required family that is not defined": Case(
        POLICY,
        "required_families:\n  - unique",
        "required_families:\n  - uniqe",
        "unknown family 'uniqe'",
        "- uniqe",
    ),
    "family that rules need": Case(
        POLICY,
        "  latency:\n    dimension: timeliness\n",
        "  delay:\n    dimension: timeliness\n",
        "no family 'latency'",
        "",
    ),
    "unknown cadence": Case(
        POLICY,
        "    meaning: There are rows to check.\n    cadence: daily",
        "    meaning: There are rows to check.\n    cadence: weekly",
        "'weekly'",
        "cadence: weekly",
    ),
    "family without a cadence": Case(
        POLICY,
        "    meaning: There are rows to check.\n    cadence: daily\n",
        "    meaning: There are rows to check.\n",
        "'cadence'",
        "",
    ),
    "nightly without a reason": Case(
        POLICY,
        "    meaning: There are rows to check.\n    cadence: daily",
        "    meaning: There are rows to check.\n    cadence: nightly",
        "the family volume is nightly and has no nightly_because",
        "  volume:",
    ),
    "a reason that is not needed": Case(
        POLICY,
        "    meaning: There are rows to check.\n    cadence: daily",
        "    meaning: There are rows to check.\n    cadence: daily\n    nightly_because: It is slow.",
        "the family volume is daily and has a nightly_because",
        "  volume:",
    ),
    "exception of an unknown dataset": Case(
        POLICY,
        "object: mbp_markets",
        "object: mbp_market",
        "foreign_key of mbp_market: there is no 'mbp_market'",
        "object: mbp_market\n",
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_wrong_place_is_named(project: Project, name: str) -> None:
    case = CASES[name]
    project.replace(case.file, case.old, case.new)

    with pytest.raises(MbpError) as caught:
        load_contracts(project.root)

    assert case.says in str(caught.value)
    assert caught.value.path == case.file
    assert caught.value.fix
    printed = lint(project.root, date.today()).findings
    assert str(caught.value) in {str(one.as_error) for one in printed if one.severity == "error"}
    assert "\n" not in str(caught.value)
    if case.at:
        assert caught.value.line == project.line(case.file, case.at)


def test_the_copy_itself_is_right(project: Project) -> None:
    files = sorted((project.root / "contracts/a106").glob("*.odcs.yaml"))
    datasets = [contract.dataset for contract in load_contracts(project.root)]
    assert datasets == [file.name.removesuffix(".odcs.yaml") for file in files]


@pytest.mark.parametrize(
    ("days_until_expiry", "says"),
    [(-1, "the exception expired on"), (0, None), (180, None), (181, "a day up to")],
)
def test_a_warning_has_a_date_within_reach(
    project: Project, days_until_expiry: int, says: str | None
) -> None:
    today = SOON - timedelta(days=days_until_expiry)
    told = [one for cell in matrix(project.root, today) for one in cell.missing]
    assert load_contracts(project.root), "the calendar stops no build"
    if says is None:
        assert told == []
    else:
        assert told and all(says in one for one in told)


def test_no_contract_is_an_error(project: Project) -> None:
    shutil.rmtree(project.root / "contracts/a106")
    with pytest.raises(MbpError, match="no contract: nothing to check"):
        load_contracts(project.root)


def test_a_file_that_would_not_be_read_is_an_error(project: Project) -> None:
    old = project.root / QUOTES
    old.rename(old.with_name("mbp_quotes.yaml"))
    with pytest.raises(MbpError, match=r"not the name of a contract.*Fix: name it <dataset>.odcs"):
        load_contracts(project.root)


def test_an_empty_file_is_an_error(project: Project) -> None:
    (project.root / QUOTES).write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(MbpError, match=r"mbp_quotes\.odcs\.yaml: the file is empty"):
        load_contracts(project.root)


def test_a_document_that_is_a_list_is_an_error(project: Project) -> None:
    (project.root / QUOTES).write_text("- a\n- b\n", encoding="utf-8")
    with pytest.raises(MbpError, match="expected object"):
        load_contracts(project.root)


def test_a_missing_policy_is_an_error(project: Project) -> None:
    (project.root / POLICY).unlink()
    with pytest.raises(MbpError, match=r"policy\.yaml: there is no such file"):
        load_contracts(project.root)


def test_a_contract_stands_in_the_file_of_its_dataset(project: Project) -> None:
    shutil.copy(project.root / QUOTES, project.root / "contracts/a106/mbp_others.odcs.yaml")
    with pytest.raises(MbpError, match="the contract of mbp_quotes is in "):
        load_contracts(project.root)


@pytest.mark.parametrize("value", ["0.4", "1.5"])
def test_parts_of_a_second_are_refused(project: Project, value: str) -> None:
    project.replace(QUOTES, "value: 30\n    unit: m", f"value: {value}\n    unit: s")
    with pytest.raises(MbpError, match=f"freshness: expected whole seconds, found {value} s"):
        load_contracts(project.root)
