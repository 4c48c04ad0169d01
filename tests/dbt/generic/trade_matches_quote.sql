{#- A trade is made at a quote: in its market, at its price, within its volume, not before it.
    Orphans belong to the foreign key rules. -#}
{% test trade_matches_quote(model) %}

with trades as (

    select * from {{ rows_to_check(model) }}

),

quotes as (

    select * from {{ referred_rows(ref('mbp_quotes'), 'quote_id', 'trades', 'quote_id') }}

),

markets as (

    select * from {{ ref('mbp_markets') }}

)

select
    trades.*,
    quotes.market_id as market_of_quote,
    quotes.price as price_of_quote,
    quotes.volume as volume_of_quote,
    quotes.quoted_at
from trades
inner join quotes on trades.quote_id = quotes.quote_id
inner join markets on trades.market_id = markets.market_id
where
    trades.price <> quotes.price
    or trades.shares > quotes.volume
    or trades.market_id <> quotes.market_id
    or trades.traded_at < quotes.quoted_at

{% endtest %}
