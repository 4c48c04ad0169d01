with latest as (

    select * from {{ ref('int_mbp__markets_latest') }}

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
        updated_at
    from latest
    where not is_deleted

)

select * from final
