with markets as (

    select * from {{ ref('mbp_markets') }}

),

prices as (

    select
        market_id,
        price,
        {{ utc_timestamp('window_start') }} as hour_at
    from {{ ref('sem_hour_prices') }}

),

flags as (

    select
        market_id,
        date_trunc('hour', {{ utc_timestamp('detected_at') }}) as hour_at,
        count(*) as flagged_events
    from {{ ref('mbp_abuse_events') }}
    group by market_id, date_trunc('hour', {{ utc_timestamp('detected_at') }})

),

flagged as (

    select
        market_id,
        min(hour_at) as first_hour_at,
        max(hour_at) as last_hour_at
    from flags
    group by market_id

),

measured as (

    select {{ utc_timestamp('max(window_start)') }} as last_hour_at
    from {{ ref('kpi_market_events') }}

),

-- From its opening to its end, and whenever it was flagged; up to the newest complete hour.
lives as (

    select
        markets.market_id,
        least(
            date_trunc('hour', {{ utc_timestamp('markets.opened_at') }}), flagged.first_hour_at
        ) as first_hour_at,
        least(
            measured.last_hour_at,
            case
                when markets.closed_at is not null or markets.status = 'canceled' then greatest(
                    date_trunc(
                        'hour', {{ utc_timestamp('coalesce(markets.closed_at, markets.updated_at)') }}
                    ),
                    flagged.last_hour_at
                )
            end
        ) as last_hour_at
    from markets
    cross join measured
    left join flagged on markets.market_id = flagged.market_id

),

-- The last price is in force until the next one: hours of a life between those of the prices, in one
-- order. A join by range would compare every hour of a market with every price of it.
steps as (

    select
        lives.market_id,
        hours.hour_at,
        cast(null as {{ type_double() }}) as price,
        1 as is_lived
    from lives
    inner join {{ ref('sem_hours') }} as hours
        on hours.hour_at between lives.first_hour_at and lives.last_hour_at
    union all
    select
        market_id,
        hour_at,
        cast(price as {{ type_double() }}) as price,
        0 as is_lived
    from prices

),

numbered as (

    select
        *,
        count(price) over (partition by market_id order by hour_at) as price_number
    from steps

),

filled as (

    select
        market_id,
        hour_at,
        is_lived,
        max(price) over (partition by market_id, price_number) as price
    from numbered

),

final as (

    select
        filled.market_id || '/' || cast(filled.hour_at as {{ type_string() }}) as market_hour_id,
        filled.market_id,
        filled.hour_at,
        filled.price,
        coalesce(flags.flagged_events, 0) as flagged_events
    from filled
    left join flags
        on filled.market_id = flags.market_id and filled.hour_at = flags.hour_at
    where filled.is_lived = 1

)

select * from final
