{#- The recorded average equals the one recomputed from the quotes, within 1e-6. Changes may become visible
    out of order for as long as the contract allows them to take: a quote that is as new as that, and arrived
    so lately, may still miss an earlier one of its window. The next run judges it. -#}
{% test twap_reconciles(model) %}
{%- set log = change_logs() | selectattr('dataset', 'equalto', 'mbp_quotes') | first -%}
{%- set newest = newest_of('loaded_at', ref(log.latest)) | trim -%}
{%- set allowed = "interval '" ~ (log.latency_seconds or 0) ~ " seconds'" %}

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
where
    {{ twap_differs() }}
    and (least(quoted_at, loaded_at) > {{ newest }} - {{ allowed }}) is not true

{% endtest %}
