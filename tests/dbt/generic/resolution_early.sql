{#- Deciding before the scheduled close is allowed and worth a check. -#}
{% test resolution_early(model) %}

with resolutions as (

    select * from {{ model }}

),

markets as (

    select * from {{ ref('mbp_markets') }}

)

select
    resolutions.*,
    markets.closes_at
from resolutions
inner join markets on resolutions.market_id = markets.market_id
where
    resolutions.decided_at < markets.closes_at
    and resolutions.decided_at >= markets.opened_at

{% endtest %}
