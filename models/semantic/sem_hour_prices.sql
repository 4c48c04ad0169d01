{{ config(
    materialized='incremental',
    unique_key='market_hour_id',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    incremental_predicates=['1 = 0'],
    pre_hook="{{ forget_windows() }}",
    indexes=indexes_where_useful([{'columns': ['market_id', 'window_start'], 'unique': true}])
) }}

{% set log, latest = ref('stg_mbp__quotes'), ref('int_mbp__quotes_latest') %}
{% set touched = [oldest_touched(log, 'quoted_at', measured_until(), 'quote_id', latest)] %}
{% set first = measured_again_from(touched, 60) %}

with bounds as (

    {{ windows_from(first, touched, 60) }}

),

quotes as (

    select
        market_id,
        price,
        loaded_at,
        {{ window_number('quoted_at', 60) }} as window_number,
        row_number() over (
            partition by market_id, {{ window_number('quoted_at', 60) }}
            order by quoted_at desc, log_position desc, quote_id desc
        ) as recency
    from {{ ref('int_mbp__quotes_latest') }}
    where
        not is_deleted
        and price is not null
        and {{ inside_bounds(window_number('quoted_at', 60)) }}
        and {{ measured_again('quoted_at', first) }}

)

select
    market_id || '/' || cast(window_number as {{ type_string() }}) as market_hour_id,
    market_id,
    {{ window_start('window_number', 60) }} as window_start,
    max(case when recency = 1 then price end) as price,
    max(loaded_at) as newest_arrival_at
from quotes
group by market_id, window_number
