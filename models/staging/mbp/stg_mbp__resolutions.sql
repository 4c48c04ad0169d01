with source as (

    select * from {{ raw_log('mbp', 'resolutions') }}

),

renamed as (

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
        -- change log
        cast(__op as {{ type_string() }}) as change_operation,
        coalesce(__op = 'd' or __deleted = 'true', false) as is_deleted,
        cast(__source_lsn as bigint) as log_position,
        {{ timestamp_from_milliseconds('__source_ts_ms') }} as committed_at,
        cast(_loaded_at as {{ type_timestamp_utc() }}) as loaded_at
    from source

)

select * from renamed
