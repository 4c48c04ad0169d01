with markets as (

    select * from {{ ref('mbp_markets') }}

),

prices as (

    select
        market_id,
        price,
        {{ utc_timestamp('window_start') }} as hour_at,
        lead({{ utc_timestamp('window_start') }}) over (
            partition by market_id order by window_start
        ) as next_hour_at
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

final as (

    select
        lives.market_id || '/' || cast(hours.hour_at as {{ type_string() }}) as market_hour_id,
        lives.market_id,
        hours.hour_at,
        -- The last price is in force until the next one.
        cast(prices.price as {{ type_double() }}) as price,
        coalesce(flags.flagged_events, 0) as flagged_events
    from lives
    inner join {{ ref('sem_hours') }} as hours
        on hours.hour_at between lives.first_hour_at and lives.last_hour_at
    left join prices
        on
            lives.market_id = prices.market_id
            and hours.hour_at >= prices.hour_at
            and (hours.hour_at < prices.next_hour_at or prices.next_hour_at is null)
    left join flags
        on lives.market_id = flags.market_id and hours.hour_at = flags.hour_at

)

select * from final
