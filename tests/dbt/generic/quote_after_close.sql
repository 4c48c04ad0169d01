{#- Trading has ended for good at `closed_at`: no quote may come after it, traded or not. -#}
{% test quote_after_close(model) %}

with quotes as (

    select * from {{ rows_to_check(model, ref('mbp_markets'), instant='quoted_at') }}

),

markets as (

    select * from {{ ref('mbp_markets') }}

)

select
    quotes.*,
    markets.closed_at
from quotes
inner join markets on quotes.market_id = markets.market_id
where quotes.quoted_at > markets.closed_at

{% endtest %}
