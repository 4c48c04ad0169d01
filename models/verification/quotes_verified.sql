{{ config(
    post_hook="{{ keep_market_history(ref('mbp_markets'), ref('int_mbp__market_status_intervals')) }}"
) }}

{#- dbt builds it after every test of what it depends on, and skips it when one of them failed. -#}
-- depends_on: {{ ref('mbp_quotes') }} {{ ref('mbp_markets') }} {{ ref('int_mbp__market_status_intervals') }}
-- depends_on: {{ source('verification', 'looked_at') }}
{%- if build_verifies('mbp_quotes') %}
select
    dataset,
    looked_until as verified_until,
    '{{ rules_checksum('mbp_quotes') }}' as rules_checksum,
    build_id
from {{ source('verification', 'looked_at') }}
where dataset = 'mbp_quotes' and build_id = '{{ invocation_id }}'
{%- elif execute and rows_can_be_replaced() and existing_relation('quotes_verified') %}
select * from {{ this }}
{%- else %}
select
    cast(null as {{ type_string() }}) as dataset,
    cast(null as {{ type_timestamp_utc() }}) as verified_until,
    cast(null as {{ type_string() }}) as rules_checksum,
    cast(null as {{ type_string() }}) as build_id
where 1 = 0
{%- endif %}
