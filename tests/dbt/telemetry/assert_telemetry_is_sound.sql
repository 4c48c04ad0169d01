-- What cannot be measured is reported, one row per record: it must never be left out in silence.
{{ config(
    tags=['a87'],
    meta={
        'rule_id': 'telemetry_is_sound', 'dataset': 'telemetry', 'owner': 'SRE', 'pack': 'A87',
        'family': 'consistency', 'columns': [],
        'description': 'Spans, web vitals, audit records and heartbeats can be measured; what cannot is named.'
    }
) }}
{% set skew = var('mbp_clock_skew_seconds') | int %}

with problems as (

    select
        'span without an end' as problem,
        trace_id || '/' || span_id as record
    from {{ ref('stg_ops__otel_spans') }}
    where started_at is null or ended_at is null

    union all

    select
        'span of negative duration' as problem,
        trace_id || '/' || span_id as record
    from {{ ref('stg_ops__otel_spans') }}
    where duration_nanoseconds < 0

    union all

    select
        'span without an identifier' as problem,
        coalesce(trace_id, '?') || '/' || coalesce(span_id, '?') as record
    from {{ ref('stg_ops__otel_spans') }}
    where trace_id is null or span_id is null

    union all

    select
        'span arrived before it ended' as problem,
        trace_id || '/' || span_id as record
    from {{ ref('stg_ops__otel_spans') }}
    where loaded_at < ended_at - interval '{{ skew }} seconds'

    union all

    -- The same record twice is a redelivery; two records of one span contradict each other.
    select
        'duplicate span' as problem,
        trace_id || '/' || span_id as record
    from {{ ref('stg_ops__otel_spans') }}
    group by trace_id, span_id
    having
        min(duration_nanoseconds) <> max(duration_nanoseconds)
        or min(ended_at) <> max(ended_at)
        or min(http_status_code) <> max(http_status_code)

    union all

    select
        'heartbeat arrived before it was committed' as problem,
        heartbeat_id as record
    from {{ ref('stg_ops__cdc_heartbeats') }}
    -- Clocks may differ by so much, and a heartbeat needs milliseconds.
    where loaded_at < emitted_at - interval '{{ skew }} seconds'

    union all

    select
        'heartbeat of an unknown table' as problem,
        heartbeat_id as record
    from {{ ref('stg_ops__cdc_heartbeats') }}
    where
        table_name is null
        or table_name not in ('{{ change_logs() | map(attribute='table') | join("', '") }}')

    union all

    select
        'interaction without page, value or instant' as problem,
        event_id as record
    from {{ ref('stg_ops__rum_events') }}
    where metric_name = 'INP' and (page is null or value_ms is null or occurred_at is null or value_ms < 0)

    union all

    select
        'critical action without an instant' as problem,
        audit_id as record
    from {{ ref('stg_ops__audit_log') }}
    where is_critical is null or occurred_at is null

)

select * from problems
