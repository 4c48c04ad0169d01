with trades as (

    select * from {{ ref('mbp_trades') }}

),

final as (

    select
        trade_id,
        market_id,
        {{ utc_timestamp('traded_at') }} as traded_at,
        side,
        -- Engines give the mean of a decimal different types.
        cast(shares as {{ type_double() }}) as shares
    from trades

)

select * from final
