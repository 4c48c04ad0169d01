{{ config(
    materialized='incremental',
    unique_key='quote_id',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    meta={'first_arrival': 'first_loaded_at'},
    post_hook=[
        "{{ forget_deleted(this, ref('int_mbp__quotes_latest'), 'quote_id') }}",
        "{{ index_of_exceptions(this, 'quote_id', twap_differs()) }}",
        "{{ index_of_exceptions(this, 'market_id, quoted_at', twap_diverges()) }}",
    ],
    indexes=indexes_where_useful(
        [{'columns': ['quote_id'], 'unique': true}, {'columns': ['market_id', 'quoted_at']}, {'columns': ['loaded_at']}]
    )
) }}

{% set window = twap_window_microseconds() %}
{% set newest = 'select ' ~ newest_of('loaded_at', this) ~ ' as newest' %}
{% set floor = arrival_floor(newest) if is_incremental() else none %}

with
{% if floor is not none %}
/* read again from: {{ floor }} */
{% set recent = '(' ~ floor ~ " - interval '24 hours')" %}
-- A quote that is new, moved or gone changes the average of its market from that instant on.
touched as (
    select
        latest.market_id,
        latest.quoted_at
    from {{ ref('int_mbp__quotes_latest') }} as latest
    where latest.loaded_at >= {{ floor }}

    union all

    select
        computed.market_id,
        computed.quoted_at
    from {{ since_first_arrival(this, ref('int_mbp__quotes_latest'), floor) }} as computed
    inner join {{ ref('int_mbp__quotes_latest') }} as latest on computed.quote_id = latest.quote_id
    where latest.loaded_at >= {{ floor }}
),

affected as (
    select
        market_id,
        min(quoted_at) as affected_from
    from touched
    group by market_id
),

-- The price in force when the first window opens may have been set long before it. It is searched in the day
-- before the floor, and only for markets that have none there in all that is older: engines skip blocks.
near as (
    select
        affected.market_id,
        affected.affected_from,
        max(latest.quoted_at) as in_force_from
    from affected
    left join {{ ref('int_mbp__quotes_latest') }} as latest
        on
            affected.market_id = latest.market_id
            and latest.quoted_at >= {{ recent }}
            and latest.quoted_at < affected.affected_from - interval '5 minutes'
            and not latest.is_deleted
    group by affected.market_id, affected.affected_from
),

far as (
    select
        near.market_id,
        max(latest.quoted_at) as in_force_from
    from near
    inner join {{ ref('int_mbp__quotes_latest') }} as latest on near.market_id = latest.market_id
    where
        near.in_force_from is null
        and latest.quoted_at < {{ recent }}
        and latest.quoted_at < near.affected_from - interval '5 minutes'
        and not latest.is_deleted
    group by near.market_id
),

reach as (
    select
        near.market_id,
        near.affected_from,
        coalesce(
            near.in_force_from, far.in_force_from, near.affected_from - interval '5 minutes'
        ) as read_from
    from near
    left join far on near.market_id = far.market_id
),

quotes as (
    {% for part in (">= " ~ recent, "< " ~ recent ~ " and reach.read_from < " ~ recent) %}
    select
        latest.*,
        latest.quoted_at >= reach.affected_from as is_affected
    from {{ ref('int_mbp__quotes_latest') }} as latest
    inner join reach
        on latest.market_id = reach.market_id and latest.quoted_at >= reach.read_from
    where not latest.is_deleted and latest.quoted_at {{ part }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),
{% else %}
quotes as (
    select
        *,
        true as is_affected
    from {{ ref('int_mbp__quotes_latest') }}
    where not is_deleted
),
{% endif %}

instants as (
    select
        market_id,
        price,
        {{ epoch_microseconds('quoted_at') }} as instant,
        row_number() over (
            partition by market_id, quoted_at
            order by log_position desc, quote_id desc
        ) as recency
    from quotes
    where market_id is not null and quoted_at is not null and price is not null
),

path as (
    select
        market_id,
        instant,
        cast(price as {{ type_double() }}) as price,
        lead(instant) over (partition by market_id order by instant) as until_instant
    from instants
    where recency = 1
),

-- Prices in force inside the window, and the one that was in force when it opened.
windows as (
    select
        market_id,
        instant,
        price,
        sum(price * (until_instant - instant)) over (
            partition by market_id order by instant
            range between {{ window }} preceding and 1 preceding
        ) as area_inside,
        min(instant) over (
            partition by market_id order by instant
            range between {{ window }} preceding and current row
        ) as first_inside,
        last_value(price) over (
            partition by market_id order by instant
            range between unbounded preceding and {{ window | int + 1 }} preceding
        ) as price_at_open
    from path
),

averages as (
    select
        market_id,
        instant,
        case
            when price_at_open is null and first_inside = instant then price
            when price_at_open is null
                then area_inside / cast(instant - first_inside as {{ type_double() }})
            else
                (
                    coalesce(area_inside, 0)
                    + price_at_open * (first_inside - (instant - {{ window }}))
                ) / cast({{ window }} as {{ type_double() }})
        end as average_price
    from windows
),

final as (
    select
        quotes.quote_id,
        quotes.market_id,
        quotes.quoted_at,
        quotes.price,
        quotes.twap_5m,
        cast(averages.average_price as decimal(18, 8)) as recomputed_twap_5m,
        cast(
            cast(abs(quotes.price - quotes.twap_5m) as {{ type_double() }})
            / nullif(cast(quotes.twap_5m as {{ type_double() }}), 0)
            as decimal(18, 8)
        ) as divergence_ratio,
        quotes.log_position,
        quotes.loaded_at,
        quotes.first_loaded_at
    from quotes
    left join averages
        on
            quotes.market_id = averages.market_id
            and {{ epoch_microseconds('quotes.quoted_at') }} = averages.instant
    where quotes.is_affected
)

select * from final
