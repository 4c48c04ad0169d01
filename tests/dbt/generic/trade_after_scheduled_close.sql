{#- A quote with a volume is a trade, also where a source has no single trades. -#}
{% test trade_after_scheduled_close(model) %}

with quotes as (

    select * from {{ rows_to_check(model, ref('mbp_markets'), instant='quoted_at') }}
    where volume > 0

),

markets as (

    select * from {{ ref('mbp_markets') }}

)

select
    quotes.*,
    markets.closes_at
from quotes
inner join markets on quotes.market_id = markets.market_id
where quotes.quoted_at > markets.closes_at

{% endtest %}
