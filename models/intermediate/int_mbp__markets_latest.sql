with changes as (

    select * from {{ ref('stg_mbp__markets') }}

),

ranked as (

    select
        *,
        {{ newest_first('market_id') }} as recency
    from changes

),

final as (

    select
        market_id,
        template_id,
        name,
        category,
        truth_source,
        status,
        opened_at,
        closes_at,
        closed_at,
        resolution_deadline,
        min_liquidity,
        created_at,
        updated_at,
        is_deleted,
        log_position,
        loaded_at
    from ranked
    where recency = 1

)

select * from final
