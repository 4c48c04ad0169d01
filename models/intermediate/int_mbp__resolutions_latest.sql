with changes as (

    select * from {{ ref('stg_mbp__resolutions') }}

),

ranked as (

    select
        *,
        {{ newest_first('resolution_id') }} as recency
    from changes

),

final as (

    select
        resolution_id,
        market_id,
        started_at,
        rule_version,
        source_kind,
        source_ref,
        decided_value,
        decided_at,
        decided_by_hash,
        evidence_uri,
        audit_trace_id,
        is_deleted,
        log_position,
        loaded_at
    from ranked
    where recency = 1

)

select * from final
