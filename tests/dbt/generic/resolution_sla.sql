{#- Decided within 24 hours of its start. -#}
{% test resolution_sla(model) %}

with resolutions as (

    select * from {{ model }}

)

select
    resolutions.*,
    {{ seconds_between('started_at', 'decided_at') }} as resolution_seconds
from resolutions
where decided_at > started_at + interval '24 hours'

{% endtest %}
