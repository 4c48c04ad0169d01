{{ config(indexes=indexes_where_useful([{'columns': ['market_id', 'detected_at']}])) }}

with latest as (

    select * from {{ ref('int_mbp__abuse_events_latest') }}

),

final as (

    select
        abuse_event_id,
        market_id,
        detected_at,
        kind,
        severity,
        action_taken,
        user_id_hash,
        details
    from latest
    where not is_deleted

)

select * from final
