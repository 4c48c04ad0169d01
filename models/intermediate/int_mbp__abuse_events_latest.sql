with changes as (

    select * from {{ ref('stg_mbp__abuse_events') }}

),

ranked as (

    select
        *,
        {{ newest_first('abuse_event_id') }} as recency
    from changes

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
        details,
        is_deleted,
        log_position,
        loaded_at
    from ranked
    where recency = 1

)

select * from final
