"""Names, columns and types of the raw tables that a simulation writes."""

from __future__ import annotations

import pyarrow as pa

TEXT = pa.string()
INSTANT = pa.timestamp("us", tz="UTC")
AMOUNT = pa.decimal128(18, 8)
MILLISECONDS = pa.decimal128(18, 3)
WHOLE = pa.int64()
FLAG = pa.bool_()

CHANGE_LOG = [
    ("__op", TEXT),
    ("__deleted", TEXT),
    ("__source_ts_ms", WHOLE),
    ("__source_lsn", WHOLE),
    ("_loaded_at", INSTANT),
]
ARRIVAL = [("_loaded_at", INSTANT)]

SCHEMAS: dict[str, pa.Schema] = {
    "mbp.markets": pa.schema(
        [
            ("market_id", TEXT),
            ("template_id", TEXT),
            ("name", TEXT),
            ("category", TEXT),
            ("truth_source", TEXT),
            ("status", TEXT),
            ("opened_at", INSTANT),
            ("closes_at", INSTANT),
            ("closed_at", INSTANT),
            ("resolution_deadline", INSTANT),
            ("min_liquidity", AMOUNT),
            ("created_at", INSTANT),
            ("updated_at", INSTANT),
            *CHANGE_LOG,
        ]
    ),
    "mbp.quotes": pa.schema(
        [
            ("quote_id", TEXT),
            ("market_id", TEXT),
            ("quoted_at", INSTANT),
            ("price", AMOUNT),
            ("volume", AMOUNT),
            ("depth_2pct", AMOUNT),
            ("twap_5m", AMOUNT),
            *CHANGE_LOG,
        ]
    ),
    "mbp.resolutions": pa.schema(
        [
            ("resolution_id", TEXT),
            ("market_id", TEXT),
            ("started_at", INSTANT),
            ("rule_version", TEXT),
            ("source_kind", TEXT),
            ("source_ref", TEXT),
            ("decided_value", TEXT),
            ("decided_at", INSTANT),
            ("decided_by_hash", TEXT),
            ("evidence_uri", TEXT),
            ("audit_trace_id", TEXT),
            *CHANGE_LOG,
        ]
    ),
    "mbp.abuse_events": pa.schema(
        [
            ("abuse_event_id", TEXT),
            ("market_id", TEXT),
            ("detected_at", INSTANT),
            ("kind", TEXT),
            ("severity", TEXT),
            ("action_taken", TEXT),
            ("user_id_hash", TEXT),
            ("details", TEXT),
            *CHANGE_LOG,
        ]
    ),
    "ops.otel_spans": pa.schema(
        [
            ("trace_id", TEXT),
            ("span_id", TEXT),
            ("parent_span_id", TEXT),
            ("name", TEXT),
            ("service_name", TEXT),
            ("span_kind", TEXT),
            ("start_time_unix_nano", WHOLE),
            ("end_time_unix_nano", WHOLE),
            ("status_code", TEXT),
            ("http_status_code", WHOLE),
            ("attributes", TEXT),
            *ARRIVAL,
        ]
    ),
    "ops.rum_events": pa.schema(
        [
            ("event_id", TEXT),
            ("page", TEXT),
            ("metric_name", TEXT),
            ("value_ms", MILLISECONDS),
            ("rating", TEXT),
            ("navigation_type", TEXT),
            ("session_id_hash", TEXT),
            ("occurred_at", INSTANT),
            *ARRIVAL,
        ]
    ),
    "ops.audit_log": pa.schema(
        [
            ("audit_id", TEXT),
            ("trace_id", TEXT),
            ("action", TEXT),
            ("is_critical", FLAG),
            ("actor_hash", TEXT),
            ("commit_sha", TEXT),
            ("entity_type", TEXT),
            ("entity_id", TEXT),
            ("occurred_at", INSTANT),
            *ARRIVAL,
        ]
    ),
    "ops.log_samples": pa.schema(
        [
            ("log_id", TEXT),
            ("service_name", TEXT),
            ("severity_text", TEXT),
            ("body", TEXT),
            ("trace_id", TEXT),
            ("logged_at", INSTANT),
            *ARRIVAL,
        ]
    ),
    "ops.cdc_heartbeats": pa.schema(
        [
            ("heartbeat_id", TEXT),
            ("table_name", TEXT),
            ("emitted_at", INSTANT),
            *ARRIVAL,
        ]
    ),
    "ops.ci_checks": pa.schema(
        [
            ("check_id", TEXT),
            ("check_name", TEXT),
            ("commit_sha", TEXT),
            ("status", TEXT),
            ("conclusion", TEXT),
            ("started_at", INSTANT),
            ("completed_at", INSTANT),
            *ARRIVAL,
        ]
    ),
}

KEYS: dict[str, str] = {
    "mbp.markets": "market_id",
    "mbp.quotes": "quote_id",
    "mbp.resolutions": "resolution_id",
    "mbp.abuse_events": "abuse_event_id",
}

TABLES: tuple[str, ...] = tuple(SCHEMAS)


def seed_name(table: str) -> str:
    """Name of the dbt seed of a raw table: `mbp.quotes` is `raw_mbp__quotes`."""
    family, _, name = table.partition(".")
    return f"raw_{family}__{name}"


def table_of_dataset(dataset: str) -> str:
    """Raw table of a public dataset: `mbp_quotes` is `mbp.quotes`."""
    return dataset.replace("_", ".", 1)
