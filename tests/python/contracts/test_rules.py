"""What follows from a contract, by hand for single facts and whole for the committed contracts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from contracts_project import MARKETS, QUOTES, SOON, Project

from lab.simulate.schema import LOGS
from mbp.contracts import Rule, all_rules, load_contracts
from mbp.core.errors import MbpError


def rules_of(project: Project) -> dict[str, Rule]:
    return {rule.id: rule for rule in all_rules(load_contracts(project.root))}


def test_every_required_column_has_a_rule_and_no_other(project: Project) -> None:
    found = {rule.columns for rule in rules_of(project).values() if rule.family == "not_null"}
    contracts = load_contracts(project.root)
    optional = {
        (contract.dataset, column.name)
        for contract in contracts
        for column in contract.columns
        if not column.required
    }
    assert optional == {
        ("mbp_markets", "closed_at"),
        ("mbp_resolutions", "decided_by_hash"),
        ("mbp_resolutions", "evidence_uri"),
    }
    assert ("closed_at",) not in found
    assert ("price",) in found


@pytest.mark.parametrize(
    ("rule_id", "test", "arguments", "columns"),
    [
        ("mbp_quotes_quote_id_unique", "unique", {}, ("quote_id",)),
        (
            "mbp_quotes_fk",
            "relationships",
            {"to": "ref('mbp_markets')", "field": "market_id"},
            ("market_id",),
        ),
        (
            "mbp_quotes_price_range",
            "dbt_expectations.expect_column_values_to_be_between",
            {"min_value": 0, "max_value": 1, "strictly": True},
            ("price",),
        ),
        (
            "mbp_quotes_volume_range",
            "dbt_expectations.expect_column_values_to_be_between",
            {"min_value": 0},
            ("volume",),
        ),
        (
            "mbp_resolutions_decided_by_hash_pattern",
            "dbt_expectations.expect_column_values_to_match_regex",
            {"regex": "^[0-9a-f]{64}$", "row_condition": "decided_by_hash is not null"},
            ("decided_by_hash",),
        ),
        (
            "mbp_markets_name_length",
            "dbt_expectations.expect_column_value_lengths_to_be_between",
            {"min_value": 1},
            ("name",),
        ),
        (
            "mbp_quotes_freshness",
            "fresh_within",
            {"dataset": "mbp_quotes", "key_column": "quote_id", "max_age_seconds": 1800},
            (),
        ),
        (
            "mbp_markets_latency",
            "lag_p95_within",
            {"dataset": "mbp_markets", "key_column": "market_id", "max_lag_seconds": 120},
            (),
        ),
        (
            "mbp_markets_cdc_no_loss",
            "cdc_no_loss",
            {"dataset": "mbp_markets", "key_column": "market_id"},
            ("market_id",),
        ),
        (
            "mbp_markets_cdc_order",
            "cdc_order",
            {"dataset": "mbp_markets", "key_column": "market_id"},
            ("market_id",),
        ),
    ],
)
def test_a_fact_of_the_schema_becomes_a_rule(
    project: Project, rule_id: str, test: str, arguments: dict[str, object], columns: tuple[str]
) -> None:
    rule = rules_of(project)[rule_id]
    assert (rule.test, rule.arguments, rule.columns) == (test, arguments, columns)
    assert (rule.origin, rule.severity, rule.expires) == ("derived", "error", None)


def test_explicit_entries_become_rules(project: Project) -> None:
    rules = rules_of(project)

    enum = rules["mbp_markets_status_accepted_values"]
    assert (enum.test, enum.column, enum.columns) == ("accepted_values", "status", ("status",))
    assert enum.arguments == {"values": ["open", "paused", "closed", "resolved", "canceled"]}

    volume = rules["mbp_quotes_volume"]
    assert volume.test == "dbt_expectations.expect_table_row_count_to_be_between"
    assert (volume.arguments, volume.column) == ({"min_value": 100}, None)

    pair = rules["mbp_markets_deadline_after_close"]
    assert pair.test == "dbt_expectations.expect_column_pair_values_A_to_be_greater_than_B"
    assert pair.arguments["or_equal"] is True

    warning = rules["liquidity_floor"]
    assert (warning.test, warning.column) == ("liquidity_floor", None)
    assert (warning.severity, warning.expires, warning.owner) == ("warning", SOON, "PM")
    assert warning.expires - timedelta(days=30) < SOON


def test_every_rule_of_the_domain_is_there(project: Project) -> None:
    wanted = {
        "closed_market_no_trades",
        "quote_after_close",
        "resolution_audit",
        "resolution_order",
        "resolution_early",
        "resolution_sla",
        "resolved_iff_resolution",
        "twap_reconciles",
        "twap_bound",
        "liquidity_floor",
        "abuse_action",
        "mbp_resolutions_fk",
        *(
            f"{dataset}_{rule}"
            for dataset in LOGS
            for rule in ("cdc_no_loss", "cdc_order", "freshness", "latency", "volume")
        ),
    }
    assert wanted <= rules_of(project).keys()


def test_rules_follow_the_contract(project: Project) -> None:
    project.replace(QUOTES, "value: 30\n    unit: m", "value: 1\n    unit: h")
    project.replace(MARKETS, "name: closed_at\n", "name: closed_at\n        required: true\n")
    rules = rules_of(project)
    assert rules["mbp_quotes_freshness"].arguments["max_age_seconds"] == 3600
    assert rules["mbp_markets_closed_at_not_null"].line == project.line(MARKETS, "name: closed_at")


def test_rules_are_sorted_and_whole(project: Project) -> None:
    rules = all_rules(load_contracts(project.root))
    assert [rule.id for rule in rules] == sorted(rule.id for rule in rules)
    assert all(rule.owner and rule.description and rule.line for rule in rules)
    reasoned = {"range", "pattern", "length", "freshness", "latency", "volume"}
    assert [rule.id for rule in rules if rule.family in reasoned and not rule.reason] == []


@pytest.mark.parametrize(
    "to",
    [
        "mbp_markets.market_id",
        "schema/mbp_markets/properties/market_id",
        "/schema/mbp_markets/properties/market_id",
        "mbp_markets.odcs.yaml#/schema/mbp_markets/properties/market_id",
    ],
)
def test_a_foreign_key_leads_by_names_or_by_a_path(project: Project, to: str) -> None:
    project.replace(QUOTES, "to: mbp_markets.market_id", f"to: {to}")
    rule = rules_of(project)["mbp_quotes_fk"]
    assert rule.arguments == {"to": "ref('mbp_markets')", "field": "market_id"}


def test_a_path_leads_by_the_ids_of_the_other_contract(project: Project) -> None:
    project.replace(QUOTES, "to: mbp_markets.market_id", "to: schema/t-1/properties/c-1")
    project.replace(MARKETS, "  - name: mbp_markets", "  - name: mbp_markets\n    id: t-1")
    project.replace(MARKETS, "      - name: market_id", "      - name: market_id\n        id: c-1")
    rule = rules_of(project)["mbp_quotes_fk"]
    assert rule.arguments == {"to": "ref('mbp_markets')", "field": "market_id"}


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("schema/mbp_markts/properties/market_id", "unknown dataset 'mbp_markts'"),
        ("schema/mbp_markets/properties/marketid", "unknown column 'marketid' of mbp_markets"),
        ("schema/mbp_markets", "expected type: foreignKey"),
        ("schema/a/properties/b/properties/c", "expected type: foreignKey"),
        (
            "mbp_quotes.odcs.yaml#schema/mbp_markets/properties/market_id",
            "expected type: foreignKey",
        ),
    ],
)
def test_a_path_that_leads_to_no_column_is_refused(project: Project, to: str, message: str) -> None:
    project.replace(QUOTES, "to: mbp_markets.market_id", f"to: {to}")
    with pytest.raises(MbpError, match=message):
        load_contracts(project.root)
