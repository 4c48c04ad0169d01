with quotes as (

    select * from {{ ref('mbp_quotes') }}

),

final as (

    select
        quote_id,
        market_id,
        {{ utc_timestamp('quoted_at') }} as quoted_at,
        volume,
        -- Engines give the median of a decimal different types.
        cast(depth_2pct as {{ type_double() }}) as depth_2pct
    from quotes

)

select * from final
