"""The rules of the contracts as facts of their own, so that faults are tested without contracts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

EXPECTATIONS = "dbt_expectations."
KEY = "^[A-Za-z0-9][A-Za-z0-9_.:-]*$"
HASH = "^[0-9a-f]{64}$"


@dataclass(frozen=True)
class Facts:
    id: str
    dataset: str
    test: str
    columns: Sequence[str] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)


REQUIRED = {
    "mbp_markets": (
        "market_id template_id name category truth_source status opened_at closes_at "
        "resolution_deadline min_liquidity created_at updated_at"
    ),
    "mbp_quotes": "quote_id market_id quoted_at price volume depth_2pct twap_5m",
    "mbp_resolutions": (
        "resolution_id market_id started_at rule_version source_kind source_ref decided_value "
        "decided_at audit_trace_id"
    ),
    "mbp_abuse_events": (
        "abuse_event_id market_id detected_at kind severity action_taken user_id_hash details"
    ),
}
UNIQUE = (
    ("mbp_markets", "market_id"),
    ("mbp_quotes", "quote_id"),
    ("mbp_resolutions", "resolution_id"),
    ("mbp_resolutions", "market_id"),
    ("mbp_abuse_events", "abuse_event_id"),
)
PATTERNS = (
    ("mbp_markets", "market_id", KEY),
    ("mbp_markets", "template_id", KEY),
    ("mbp_quotes", "quote_id", KEY),
    ("mbp_resolutions", "resolution_id", KEY),
    ("mbp_resolutions", "rule_version", r"^[0-9]+[.][0-9]+[.][0-9]+$"),
    ("mbp_resolutions", "decided_by_hash", HASH),
    ("mbp_resolutions", "evidence_uri", r"^[a-z][a-z0-9+.-]*://\S+$"),
    ("mbp_resolutions", "audit_trace_id", "^[0-9a-f]{32}$"),
    ("mbp_abuse_events", "abuse_event_id", KEY),
    ("mbp_abuse_events", "user_id_hash", HASH),
)
LENGTHS = (
    ("mbp_markets", "name"),
    ("mbp_markets", "category"),
    ("mbp_resolutions", "source_ref"),
    ("mbp_resolutions", "decided_value"),
    ("mbp_abuse_events", "details"),
)
OPEN_UNIT = {"min_value": 0, "max_value": 1, "strictly": True}
RANGES = (
    ("mbp_markets", "min_liquidity", {"min_value": 0}),
    ("mbp_quotes", "price", OPEN_UNIT),
    ("mbp_quotes", "volume", {"min_value": 0}),
    ("mbp_quotes", "depth_2pct", {"min_value": 0}),
    ("mbp_quotes", "twap_5m", OPEN_UNIT),
)
VALUES = (
    ("mbp_markets", "truth_source"),
    ("mbp_markets", "status"),
    ("mbp_resolutions", "source_kind"),
    ("mbp_abuse_events", "kind"),
    ("mbp_abuse_events", "severity"),
    ("mbp_abuse_events", "action_taken"),
)
FRESH = {
    "mbp_markets": 48 * 3600,
    "mbp_quotes": 1800,
    "mbp_resolutions": 7 * 86400,
    "mbp_abuse_events": 7 * 86400,
}
VOLUME = {"mbp_markets": 1, "mbp_quotes": 100, "mbp_resolutions": 1, "mbp_abuse_events": 1}
DOMAIN = {
    "mbp_markets": (
        "mbp_markets_close_after_open",
        "mbp_markets_deadline_after_close",
        "mbp_markets_updated_after_created",
        "mbp_markets_closed_at_matches_status",
    ),
    "mbp_quotes": (
        "closed_market_no_trades",
        "quote_after_close",
        "twap_reconciles",
        "twap_bound",
        "liquidity_floor",
    ),
    "mbp_resolutions": (
        "resolution_audit",
        "resolution_order",
        "resolution_early",
        "resolution_sla",
        "resolved_iff_resolution",
    ),
    "mbp_abuse_events": ("abuse_action", "mbp_abuse_events_after_open"),
}


def all_rules() -> Iterator[Facts]:
    """Every rule that the four contracts carry."""
    for dataset, columns in REQUIRED.items():
        for column in columns.split():
            yield Facts(f"{dataset}_{column}_not_null", dataset, "not_null", (column,))
        log = {"dataset": dataset}
        fresh, volume = {"max_age_seconds": FRESH[dataset]}, {"min_value": VOLUME[dataset]}
        yield Facts(f"{dataset}_freshness", dataset, "fresh_within", (), log | fresh)
        late = log | {"max_lag_seconds": 120}
        yield Facts(f"{dataset}_latency", dataset, "lag_p95_within", (), late)
        yield Facts(f"{dataset}_cdc_no_loss", dataset, "cdc_no_loss", (), log)
        yield Facts(f"{dataset}_cdc_order", dataset, "cdc_order", (), log)
        rows = f"{EXPECTATIONS}expect_table_row_count_to_be_between"
        yield Facts(f"{dataset}_volume", dataset, rows, (), volume)
        if dataset != "mbp_markets":
            yield Facts(f"{dataset}_fk", dataset, "relationships", ("market_id",))
        for rule in DOMAIN[dataset]:
            yield Facts(rule, dataset, f"assert_{rule}")
    for dataset, column in UNIQUE:
        yield Facts(f"{dataset}_{column}_unique", dataset, "unique", (column,))
    for dataset, column, pattern in PATTERNS:
        test = f"{EXPECTATIONS}expect_column_values_to_match_regex"
        arguments = {"regex": pattern}
        yield Facts(f"{dataset}_{column}_pattern", dataset, test, (column,), arguments)
    for dataset, column in LENGTHS:
        test = f"{EXPECTATIONS}expect_column_value_lengths_to_be_between"
        yield Facts(f"{dataset}_{column}_length", dataset, test, (column,), {"min_value": 1})
    for dataset, column, bounds in RANGES:
        test = f"{EXPECTATIONS}expect_column_values_to_be_between"
        yield Facts(f"{dataset}_{column}_range", dataset, test, (column,), bounds)
    for dataset, column in VALUES:
        rule = f"{dataset}_{column}_accepted_values"
        yield Facts(rule, dataset, "accepted_values", (column,))
