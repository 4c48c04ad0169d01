{{ config(
    materialized='incremental',
    unique_key='window_start',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    indexes=indexes_where_useful([{'columns': ['window_start'], 'unique': true}])
) }}

{% set minutes = kpi_minutes()['dec_p95'].every %}
{% set floor = measured_until() %}
{% set log = ref('stg_ops__otel_spans') %}
{% set bounds = windows_to_measure([oldest_touched(log, 'ended_at', floor)], minutes) %}
{% set skew = var('mbp_clock_skew_seconds') | int %}

with bounds as (

    {{ bounds }}

),

arrivals as (

    select
        {{ window_number('ended_at', minutes) }} as window_number,
        count(*) as arrivals
    from {{ log }}
    where
        span_name = 'decision.core'
        and duration_nanoseconds >= 0
        and loaded_at >= ended_at - interval '{{ skew }} seconds'
        {{ arrived_since_bounds(bounds, minutes) }}
        and {{ inside_bounds(window_number('ended_at', minutes)) }}
    group by {{ window_number('ended_at', minutes) }}

),

windows as (

    {{ number_series('bounds', 'first_window', 'last_window') }}

),

-- Windows without a decision are rows too: silence must be seen. The log only grows: a window with as many
-- arrivals as when it was measured has not changed.
spine as (

    select
        windows.number,
        cast(coalesce(arrivals.arrivals, 0) as bigint) as arrivals
    from windows
    left join arrivals on windows.number = arrivals.window_number
    {% if is_incremental() %}
    left join {{ this }} as before on before.window_start = {{ window_start('windows.number', minutes) }}
    where coalesce(arrivals.arrivals, 0) <> coalesce(before.arrivals, -1)
    {% endif %}

),

-- A span may be delivered twice; of two records the worse one counts. One that has no end, or ends before it
-- begins or after it arrived, is no measurement: `telemetry_is_sound` reports it.
spans as (

    select
        trace_id,
        span_id,
        max({{ window_number('ended_at', minutes) }}) as window_number,
        max(duration_nanoseconds) as duration_nanoseconds,
        max(http_status_code) as http_status_code,
        max(loaded_at) as loaded_at
    from {{ log }}
    where
        span_name = 'decision.core'
        and duration_nanoseconds >= 0
        and loaded_at >= ended_at - interval '{{ skew }} seconds'
        {{ arrived_since_bounds(bounds, minutes) }}
        and {{ window_number('ended_at', minutes) }} in (select spine.number from spine)
    group by trace_id, span_id

),

-- A decision slower than the target of its p95 is bad, even when it was answered.
target as (

    select target_bound as slow_decision_ms
    from {{ ref('stg_reference__measurement_sheet') }}
    where kpi_id = 'dec_p95'

),

measured as (

    select
        spans.window_number,
        count(*) as decisions,
        sum(case when spans.http_status_code >= 500 then 1 else 0 end) as errors_5xx,
        sum(
            case
                when spans.http_status_code >= 500 then 1
                when spans.duration_nanoseconds > target.slow_decision_ms * 1000000 then 1
                else 0
            end
        ) as bad_decisions,
        percentile_cont(0.95) within group (
            order by cast(spans.duration_nanoseconds as {{ type_double() }})
        ) / 1000000 as p95_ms,
        max(spans.loaded_at) as newest_arrival_at
    from spans
    cross join target
    group by spans.window_number

)

select
    {{ window_start('spine.number', minutes) }} as window_start,
    {{ window_start('spine.number + 1', minutes) }} as window_end,
    cast(coalesce(measured.decisions, 0) as bigint) as decisions,
    cast(coalesce(measured.errors_5xx, 0) as bigint) as errors_5xx,
    cast(coalesce(measured.bad_decisions, 0) as bigint) as bad_decisions,
    -- Interpolated between whole nanoseconds: nine decimals hold it exactly, so no engine has to round.
    cast(measured.p95_ms as decimal(18, 9)) as p95_ms,
    spine.arrivals,
    measured.newest_arrival_at
from spine
left join measured on spine.number = measured.window_number
