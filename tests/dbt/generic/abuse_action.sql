{#- A flag of high severity is acted upon: the market is paused or the user limited. -#}
{% test abuse_action(model) %}

with abuse_events as (

    select * from {{ model }}

)

select *
from abuse_events
where severity = 'high' and action_taken = 'alert_only'

{% endtest %}
