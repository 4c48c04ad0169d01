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

open_intervals as (

    select
        market_id,
        valid_from,
        valid_to,
        lead(valid_from) over (partition by market_id order by valid_from) as opens_again
    from {{ ref('int_mbp__market_status_intervals') }}
    where status = 'open' and valid_from is not null

),

-- After, and before, the open intervals of a market: few, so engines join a trade to those of its market.
not_open as (

    select
        market_id,
        valid_to as starts_after,
        opens_again as ends_before
    from open_intervals
    where valid_to is not null

    union all

    select
        known.market_id,
        null as starts_after,
        min(open_intervals.valid_from) as ends_before
    from (select distinct market_id from markets) as known
    left join open_intervals on known.market_id = open_intervals.market_id
    group by known.market_id

),

traded as (

    select
        quote_id,
        market_id,
        traded_at,
        shares
    from trades

    union all

    select
        quotes.quote_id,
        quotes.market_id,
        quotes.quoted_at as traded_at,
        quotes.volume as shares
    from quotes
    left join kept_trades on quotes.market_id = kept_trades.market_id
    where kept_trades.since is null or quotes.quoted_at < kept_trades.since

)

select traded.*
from traded
inner join markets on traded.market_id = markets.market_id
inner join not_open on traded.market_id = not_open.market_id
where
    traded.traded_at is not null
    and (traded.traded_at > not_open.starts_after or not_open.starts_after is null)
    and (traded.traded_at < not_open.ends_before or not_open.ends_before is null)

{% endtest %}
