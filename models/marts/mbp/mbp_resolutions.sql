{{ config(indexes=indexes_where_useful([{'columns': ['market_id']}])) }}

with latest as (

    select * from {{ ref('int_mbp__resolutions_latest') }}

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
        audit_trace_id
    from latest
    where not is_deleted

)

select * from final
