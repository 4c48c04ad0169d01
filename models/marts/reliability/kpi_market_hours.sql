{{ config(
    materialized='incremental',
    unique_key='market_hour_id',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    incremental_predicates=['1 = 0'],
    indexes=indexes_where_useful([{'columns': ['market_hour_id'], 'unique': true}, {'columns': ['window_start']}]),
    pre_hook="{{ forget_windows() }}"
) }}

{% set minutes = kpi_minutes()['depth_2pct'].every %}
{% set log, latest = ref('stg_mbp__quotes'), ref('int_mbp__quotes_latest') %}
{% set touched = [oldest_touched(log, 'quoted_at', measured_until(), 'quote_id', latest)] %}
{% set first = measured_again_from(touched, minutes) %}

with bounds as (

    {{ windows_from(first, touched, minutes) }}

),

quotes as (

    select
        market_id,
        volume,
        loaded_at,
        cast(depth_2pct as {{ type_double() }}) as depth_2pct,
        {{ window_number('quoted_at', minutes) }} as window_number
    from {{ ref('int_mbp__quotes_latest') }}
    where
        not is_deleted
        and {{ inside_bounds(window_number('quoted_at', minutes)) }}
        and {{ measured_again('quoted_at', first) }}

)

select
    market_id || '/' || cast(window_number as {{ type_string() }}) as market_hour_id,
    market_id,
    {{ window_start('window_number', minutes) }} as window_start,
    {{ window_start('window_number + 1', minutes) }} as window_end,
    cast(count(*) as bigint) as quotes,
    cast(sum(case when volume > 0 then 1 else 0 end) as bigint) as trades,
    cast(percentile_cont(0.5) within group (order by depth_2pct) as decimal(18, 6)) as median_depth_2pct,
    max(loaded_at) as newest_arrival_at
from quotes
group by market_id, window_number
