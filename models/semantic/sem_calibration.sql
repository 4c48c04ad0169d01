{{ config(
    materialized='incremental',
    unique_key='calibration_id',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    pre_hook="{{ forget_markets() }}"
) }}

{% set floor = measured_until() %}
{% set touched = markets_touched(floor) %}

with resolutions as (

    select * from {{ ref('int_mbp__resolutions_latest') }}
    where not is_deleted and decided_value in ('YES', 'NO')

),

markets as (

    select * from {{ ref('int_mbp__markets_latest') }}
    where
        not is_deleted
        and closed_at is not null
        {% if floor is not none %}and market_id in ({{ touched }}){% endif %}

),

instants as (

    select
        markets.market_id,
        markets.closed_at,
        horizons.horizon_hours,
        case when resolutions.decided_value = 'YES' then 1 else 0 end as outcome,
        markets.closed_at - horizons.horizon_hours * interval '1 hour' as priced_at,
        greatest(resolutions.loaded_at, markets.loaded_at) as newest_arrival_at
    from resolutions
    inner join markets on resolutions.market_id = markets.market_id
    cross join {{ ref('stg_reference__calibration_horizons') }} as horizons

),

-- Markets first, and the days of all instants at once, so that engines skip the blocks of others.
quotes as (

    select
        market_id,
        price,
        quoted_at,
        log_position,
        quote_id
    from {{ ref('int_mbp__quotes_latest') }}
    where
        not is_deleted
        and price is not null
        and market_id in (select instants.market_id from instants)
        and quoted_at >= (select min(instants.priced_at) - interval '1 hour' from instants)

),

-- The price in force at the instant: the last one of its hour so far, else the last of the hours before.
in_the_hour as (

    select
        instants.market_id,
        instants.horizon_hours,
        quotes.price,
        row_number() over (
            partition by instants.market_id, instants.horizon_hours
            order by quotes.quoted_at desc, quotes.log_position desc, quotes.quote_id desc
        ) as recency
    from instants
    inner join quotes
        on
            instants.market_id = quotes.market_id
            and {{ window_number('instants.priced_at', 60) }} = {{ window_number('quotes.quoted_at', 60) }}
            and instants.priced_at >= quotes.quoted_at

),

before_the_hour as (

    select
        instants.market_id,
        instants.horizon_hours,
        prices.price,
        row_number() over (
            partition by instants.market_id, instants.horizon_hours
            order by prices.window_start desc
        ) as recency
    from instants
    inner join {{ ref('sem_hour_prices') }} as prices
        on
            instants.market_id = prices.market_id
            and {{ window_number('instants.priced_at', 60) }} > {{ window_number('prices.window_start', 60) }}

),

priced as (

    select
        instants.*,
        cast(coalesce(in_the_hour.price, before_the_hour.price) as {{ type_double() }}) as price
    from instants
    left join in_the_hour
        on
            instants.market_id = in_the_hour.market_id
            and instants.horizon_hours = in_the_hour.horizon_hours
            and in_the_hour.recency = 1
    left join before_the_hour
        on
            instants.market_id = before_the_hour.market_id
            and instants.horizon_hours = before_the_hour.horizon_hours
            and before_the_hour.recency = 1

)

-- A market that was not quoted yet said nothing about its outcome.
select
    market_id || '/' || cast(horizon_hours as {{ type_string() }}) as calibration_id,
    market_id,
    horizon_hours,
    {{ utc_timestamp('closed_at') }} as closed_at,
    price,
    outcome,
    (price - outcome) * (price - outcome) as squared_error,
    newest_arrival_at
from priced
where price is not null
