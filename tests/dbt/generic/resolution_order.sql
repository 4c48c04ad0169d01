{#- A resolution is decided after it was started and after its market opened. -#}
{% test resolution_order(model) %}

with resolutions as (

    select * from {{ model }}

),

markets as (

    select * from {{ ref('mbp_markets') }}

)

select
    resolutions.*,
    markets.opened_at
from resolutions
left join markets on resolutions.market_id = markets.market_id
where
    resolutions.started_at > resolutions.decided_at
    or resolutions.decided_at < markets.opened_at

{% endtest %}
