with markets as (

    select * from {{ ref('mbp_markets') }}

),

final as (

    select
        market_id,
        category,
        truth_source,
        status,
        {{ utc_timestamp('opened_at') }} as opened_at
    from markets

)

select * from final
