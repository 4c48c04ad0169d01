{{ config(
    materialized='incremental',
    unique_key='lag_id',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    incremental_predicates=['1 = 0'],
    pre_hook="{{ forget_windows() }}",
    indexes=indexes_where_useful([{'columns': ['lag_id'], 'unique': true}, {'columns': ['window_start']}])
) }}

{% set minutes = kpi_minutes()['cdc_lag_p95'].every %}
{#- A redelivery within so many minutes counts at its first arrival. -#}
{% set redelivered_minutes = 1440 %}
{% set floor = measured_until() %}
{% set skew_microseconds = -1000000 * (var('mbp_clock_skew_seconds') | int) %}
{% set touched = [oldest_touched(ref('stg_ops__cdc_heartbeats'), 'loaded_at', floor)] %}
{% for log in change_logs() %}
{% do touched.append(oldest_touched(ref(log.staging), 'loaded_at', floor)) %}
{% endfor %}
{% set first = measured_again_from(touched, minutes) %}

with bounds as (

    {{ windows_from(first, touched, minutes) }}

),

-- Snapshot rows were not streamed and have no lag. For redeliveries a day more is read, of positions that may
-- repeat.
arrivals as (

    {% for log in change_logs() %}
    select
        '{{ log.dataset }}' as dataset,
        committed_at,
        loaded_at,
        lag(loaded_at) over (
            partition by {{ log.key }}, log_position order by loaded_at
        ) as delivered_before_at
    from {{ ref(log.staging) }}
    where
        change_operation <> 'r'
        and {{ window_number('loaded_at', minutes) }}
        >= (select bounds.first_window - {{ redelivered_minutes // minutes }} from bounds)
        and {{ measured_again('loaded_at', first, redelivered_minutes) }}
        and {{ may_repeat(ref(log.staging), first) }}
    union all
    {% endfor %}
    -- Heartbeats keep a table measurable on which nothing happens.
    select
        case table_name
            {%- for log in change_logs() %}
            when '{{ log.table }}' then '{{ log.dataset }}'
            {%- endfor %}
        end as dataset,
        emitted_at as committed_at,
        loaded_at,
        cast(null as {{ type_timestamp_utc() }}) as delivered_before_at
    from {{ ref('stg_ops__cdc_heartbeats') }}
    where
        {{ window_number('loaded_at', minutes) }} >= (select bounds.first_window from bounds)
        and {{ measured_again('loaded_at', first) }}

),

-- Exact: whole microseconds, and below zero where a clock is wrong. A reader needs milliseconds, so clocks
-- that differ by as little as they may already give lags below zero. They count as they are.
lags as (

    select
        dataset,
        loaded_at,
        {{ window_number('loaded_at', minutes) }} as window_number,
        {{ epoch_microseconds('loaded_at') }} - {{ epoch_microseconds('committed_at') }} as lag_microseconds
    from arrivals
    where
        (
            delivered_before_at is null
            or delivered_before_at < loaded_at - interval '{{ redelivered_minutes }} minutes'
        )
        and {{ inside_bounds(window_number('loaded_at', minutes)) }}

),

measured as (

    select
        dataset,
        window_number,
        count(*) as changes,
        sum(case when lag_microseconds < {{ skew_microseconds }} then 1 else 0 end) as skewed_changes,
        percentile_cont(0.95) within group (
            order by cast(lag_microseconds as {{ type_double() }})
        ) / 1000000 as p95_seconds,
        max(loaded_at) as newest_arrival_at
    from lags
    group by dataset, window_number

),

spine as (

    {{ number_series('bounds', 'first_window', 'last_window') }}

),

datasets as (

    {% for log in change_logs() %}
    select '{{ log.dataset }}' as dataset
    {% if not loop.last %}union all{% endif %}
    {% endfor %}

)

select
    datasets.dataset || '/' || cast(spine.number as {{ type_string() }}) as lag_id,
    datasets.dataset,
    {{ window_start('spine.number', minutes) }} as window_start,
    {{ window_start('spine.number + 1', minutes) }} as window_end,
    cast(coalesce(measured.changes, 0) as bigint) as changes,
    cast(coalesce(measured.skewed_changes, 0) as bigint) as skewed_changes,
    cast(measured.p95_seconds as decimal(18, 9)) as p95_seconds,
    measured.newest_arrival_at
from spine
cross join datasets
left join measured on datasets.dataset = measured.dataset and spine.number = measured.window_number
