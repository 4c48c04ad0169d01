{{ config(
    post_hook="{{ keep_market_history(ref('mbp_markets'), ref('int_mbp__market_status_intervals')) }}"
) }}

{#- dbt builds it after every test of what it depends on, and skips it when one of them failed. -#}
-- depends_on: {{ ref('mbp_markets') }} {{ ref('int_mbp__market_status_intervals') }}
-- depends_on: {{ source('verification', 'looked_at') }}
{%- for dataset in incremental_datasets() %}
-- depends_on: {{ ref(dataset) }}
{%- if build_verifies(dataset) %}
select
    dataset,
    looked_until as verified_until,
    '{{ rules_checksum(dataset) }}' as rules_checksum,
    build_id
from {{ source('verification', 'looked_at') }}
where dataset = '{{ dataset }}' and build_id = '{{ invocation_id }}'
{%- elif execute and rows_can_be_replaced() and existing_relation('datasets_verified') %}
select * from {{ this }}
where dataset = '{{ dataset }}'
{%- else %}
select
    cast(null as {{ type_string() }}) as dataset,
    cast(null as {{ type_timestamp_utc() }}) as verified_until,
    cast(null as {{ type_string() }}) as rules_checksum,
    cast(null as {{ type_string() }}) as build_id
where 1 = 0
{%- endif %}
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
