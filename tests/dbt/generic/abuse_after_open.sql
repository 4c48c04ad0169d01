{#- Abuse is detected in a market that exists: not before it opened. -#}
{% test abuse_after_open(model) %}

with abuse_events as (

    select * from {{ model }}

),

markets as (

    select * from {{ ref('mbp_markets') }}

)

select
    abuse_events.*,
    markets.opened_at
from abuse_events
inner join markets on abuse_events.market_id = markets.market_id
where abuse_events.detected_at < markets.opened_at

{% endtest %}
