{#- The recorded average equals the one recomputed from the quotes, within 1e-6. -#}
{% test twap_reconciles(model) %}

with averages as (

    select * from {{ ref('int_mbp__quotes_twap') }}

)

select
    quote_id,
    market_id,
    quoted_at,
    twap_5m,
    recomputed_twap_5m
from averages
where {{ twap_differs() }}

{% endtest %}
