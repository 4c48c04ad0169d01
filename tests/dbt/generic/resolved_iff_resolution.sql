{#- A market is resolved exactly when it has a resolution; a canceled one may have a VOID.
    Orphans belong to the foreign key rule. -#}
{% test resolved_iff_resolution(model) %}

with markets as (

    select * from {{ ref('mbp_markets') }}

),

resolutions as (

    select * from {{ model }}

)

select
    markets.market_id,
    markets.status,
    resolutions.resolution_id
from markets
left join resolutions on markets.market_id = resolutions.market_id
where
    (markets.status = 'resolved' and resolutions.market_id is null)
    or (
        markets.status <> 'resolved'
        and resolutions.market_id is not null
        and not (markets.status = 'canceled' and resolutions.decided_value = 'VOID')
    )

{% endtest %}
