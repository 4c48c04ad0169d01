{#- A trade needs an open market, by status history: not the status of today. The two ends of an
    open interval belong to it, so a trade that closes a market is still a trade in an open one.
    Where a market has no single trades, or none yet, a quote with a volume counts as one. Orphans belong
    to the foreign key rules. -#}
{% test closed_market_no_trades(model) %}

{%- set intervals = ref('int_mbp__market_status_intervals') %}
with quotes as (

    select * from {{ rows_to_check(model, ref('mbp_markets'), intervals, 'quoted_at') }}
    where volume > 0

),

trades as (

    select * from {{ rows_to_check(ref('mbp_trades'), ref('mbp_markets'), intervals, 'traded_at') }}

),

kept_trades as (

    select
        market_id,
        min(traded_at) as since
    from {{ ref('mbp_trades') }}
    group by market_id

),

markets as (

    select * from {{ ref('mbp_markets') }}

),

known_markets as (

    select distinct market_id from markets

),

open_intervals as (

    select
        intervals.market_id,
        intervals.valid_from,
        intervals.valid_to,
        lead(intervals.valid_from) over (
            partition by intervals.market_id
            order by intervals.valid_from
        ) as opens_again
    from {{ ref('int_mbp__market_status_intervals') }} as intervals
    inner join known_markets on intervals.market_id = known_markets.market_id
    where intervals.status = 'open' and intervals.valid_from is not null

),

-- The instants before, between and after the open intervals of a market, both ends included. They are few,
-- and none is null: so engines compare a trade with those of its market while they join it.
not_open as (

    select
        market_id,
        valid_to + interval '1 microsecond' as first_instant,
        coalesce(opens_again - interval '1 microsecond', {{ end_of_time() }}) as last_instant
    from open_intervals
    where valid_to is not null

    union all

    select
        known_markets.market_id,
        {{ beginning_of_time() }} as first_instant,
        coalesce(
            min(open_intervals.valid_from) - interval '1 microsecond', {{ end_of_time() }}
        ) as last_instant
    from known_markets
    left join open_intervals on known_markets.market_id = open_intervals.market_id
    group by known_markets.market_id

),

-- The same up to the first trade that the source kept.
not_open_untraded as (

    select
        not_open.market_id,
        not_open.first_instant,
        least(
            not_open.last_instant,
            coalesce(kept_trades.since - interval '1 microsecond', not_open.last_instant)
        ) as last_instant
    from not_open
    left join kept_trades on not_open.market_id = kept_trades.market_id
    where kept_trades.since is null or not_open.first_instant < kept_trades.since

)

select
    trades.quote_id,
    trades.market_id,
    trades.traded_at,
    trades.shares
from trades
inner join not_open
    on
        trades.market_id = not_open.market_id
        and trades.traded_at >= not_open.first_instant
        and trades.traded_at <= not_open.last_instant

union all

select
    quotes.quote_id,
    quotes.market_id,
    quotes.quoted_at as traded_at,
    quotes.volume as shares
from quotes
inner join not_open_untraded
    on
        quotes.market_id = not_open_untraded.market_id
        and quotes.quoted_at >= not_open_untraded.first_instant
        and quotes.quoted_at <= not_open_untraded.last_instant

{% endtest %}
