{% set minutes = kpi_minutes()['dec_p95'].every %}
{% set skew = var('mbp_clock_skew_seconds') | int %}

-- As kpi_decision_latency counts them: of two deliveries the worse one, and nothing that is no measurement.
with spans as (

    select
        trace_id || '/' || span_id as decision_id,
        max({{ window_number('ended_at', minutes) }}) as window_number,
        max(ended_at) as ended_at,
        max(duration_nanoseconds) as duration_nanoseconds
    from {{ ref('stg_ops__otel_spans') }}
    where
        span_name = 'decision.core'
        and duration_nanoseconds >= 0
        and loaded_at >= ended_at - interval '{{ skew }} seconds'
    group by trace_id || '/' || span_id

),

final as (

    select
        decision_id,
        {{ utc_timestamp('ended_at') }} as ended_at,
        {{ utc_timestamp(window_start('window_number', minutes)) }} as window_start,
        cast(duration_nanoseconds as {{ type_double() }}) / 1000000 as duration_ms
    from spans

)

select * from final
