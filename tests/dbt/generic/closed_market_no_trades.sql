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

    select * from {{ ref('int_mbp__market_status_intervals') }}
    where status = 'open'

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
where
    traded.traded_at is not null
    and not exists (
        select 1
        from open_intervals
        where
            open_intervals.market_id = traded.market_id
            and traded.traded_at >= open_intervals.valid_from
            and (traded.traded_at <= open_intervals.valid_to or open_intervals.valid_to is null)
    )

{% endtest %}
