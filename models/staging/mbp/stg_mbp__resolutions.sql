-- Without CTEs: PostgreSQL flattens such a view and uses the indexes of its table.
select
    -- identifiers
    cast(resolution_id as {{ type_string() }}) as resolution_id,
    cast(market_id as {{ type_string() }}) as market_id,
    cast(audit_trace_id as {{ type_string() }}) as audit_trace_id,
    -- text
    cast(rule_version as {{ type_string() }}) as rule_version,
    cast(source_kind as {{ type_string() }}) as source_kind,
    cast(source_ref as {{ type_string() }}) as source_ref,
    cast(decided_value as {{ type_string() }}) as decided_value,
    cast(decided_by_hash as {{ type_string() }}) as decided_by_hash,
    cast(evidence_uri as {{ type_string() }}) as evidence_uri,
    -- timestamps
    cast(started_at as {{ type_timestamp_utc() }}) as started_at,
    cast(decided_at as {{ type_timestamp_utc() }}) as decided_at,
    {{ change_log_columns() }}
from {{ raw_log('mbp', 'resolutions') }}
