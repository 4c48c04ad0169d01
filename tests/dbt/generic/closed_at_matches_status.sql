{#- A market that trades or is paused has no end of trading yet; one that ended has. -#}
{% test closed_at_matches_status(model) %}

with markets as (

    select * from {{ model }}

)

select *
from markets
where
    (status in ('open', 'paused') and closed_at is not null)
    or (status in ('closed', 'resolved', 'canceled') and closed_at is null)

{% endtest %}
