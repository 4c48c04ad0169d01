{#- While a market is open, the depth within 2 % of the price covers the market's minimum. -#}
{% test liquidity_floor(model) %}

with quotes as (

    {% set intervals = ref('int_mbp__market_status_intervals') %}
    select * from {{ rows_to_check(model, ref('mbp_markets'), intervals, 'quoted_at') }}

),

markets as (

    select * from {{ ref('mbp_markets') }}

),

open_intervals as (

    select * from {{ ref('int_mbp__market_status_intervals') }}
    where status = 'open'

)

select
    quotes.*,
    markets.min_liquidity
from quotes
inner join markets on quotes.market_id = markets.market_id
inner join open_intervals
    on
        quotes.market_id = open_intervals.market_id
        and quotes.quoted_at >= open_intervals.valid_from
        and (quotes.quoted_at < open_intervals.valid_to or open_intervals.valid_to is null)
where quotes.depth_2pct < markets.min_liquidity

{% endtest %}
