{#- Trading went on after its scheduled end: allowed, and to be checked by its reader. -#}
{% test closed_late(model) %}

with markets as (

    select * from {{ model }}

)

select *
from markets
where closed_at > closes_at

{% endtest %}
