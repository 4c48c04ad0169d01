{{ config(
    materialized='incremental',
    unique_key='window_start',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    indexes=indexes_where_useful([{'columns': ['window_start'], 'unique': true}])
) }}

{% set minutes = kpi_minutes()['audit_coverage'].every %}
{% set floor = measured_until() %}
{% set spans = ref('stg_ops__otel_spans') %}
{% set records = ref('stg_ops__audit_log') %}
{#- A record waits for its trace, and a decision for its record: what arrived moves the other one's hour. -#}
{% set touched = [oldest_touched(spans, 'ended_at', floor), oldest_touched(records, 'occurred_at', floor)] %}
{% if floor is not none %}
{% do touched.append(
    'select min(occurred_at) as oldest_at from ' ~ records ~ ' where is_critical and trace_id in (select trace_id from '
    ~ spans ~ ' where loaded_at >= ' ~ floor ~ ')'
) %}
{% do touched.append(
    "select min(ended_at) as oldest_at from " ~ spans ~ " where span_name = 'decision.core' and trace_id in"
    ~ " (select trace_id from " ~ records ~ " where is_critical and loaded_at >= " ~ floor ~ ")"
) %}
{% endif %}

with bounds as (

    {{ windows_to_measure(touched, minutes) }}

),

decisions as (

    select
        trace_id,
        max({{ window_number('ended_at', minutes) }}) as window_number,
        max(loaded_at) as loaded_at
    from {{ spans }}
    where
        span_name = 'decision.core'
        and (attributes like '%"decision.critical":true%' or attributes like '%"decision.critical": true%')
        and {{ inside_bounds(window_number('ended_at', minutes)) }}
    group by trace_id

),

actions as (

    select
        audit_id,
        max(trace_id) as trace_id,
        max(actor_hash) as actor_hash,
        max(commit_sha) as commit_sha,
        max({{ window_number('occurred_at', minutes) }}) as window_number,
        max(loaded_at) as loaded_at
    from {{ records }}
    where is_critical and {{ inside_bounds(window_number('occurred_at', minutes)) }}
    group by audit_id

),

traces as (

    select distinct trace_id from {{ spans }}
    where trace_id in (select actions.trace_id from actions)

),

recorded as (

    select distinct trace_id from {{ records }}
    where is_critical

),

-- A record is complete when it names trace, commit and actor, and the trace is there.
judged as (

    select
        actions.window_number,
        1 as actions,
        case
            when
                trim(actions.trace_id) = '' or trim(actions.commit_sha) = '' or trim(actions.actor_hash) = ''
                then 0
            when actions.commit_sha is null or actions.actor_hash is null then 0
            when traces.trace_id is null then 0
            else 1
        end as complete_actions,
        0 as decisions,
        0 as decisions_without_record,
        actions.loaded_at
    from actions
    left join traces on actions.trace_id = traces.trace_id

    union all

    select
        decisions.window_number,
        case when recorded.trace_id is null then 1 else 0 end as actions,
        0 as complete_actions,
        1 as decisions,
        case when recorded.trace_id is null then 1 else 0 end as decisions_without_record,
        decisions.loaded_at
    from decisions
    left join recorded
        on decisions.trace_id = recorded.trace_id

),

measured as (

    select
        window_number,
        sum(actions) as actions,
        sum(complete_actions) as complete_actions,
        sum(decisions) as decisions,
        sum(decisions_without_record) as decisions_without_record,
        max(loaded_at) as newest_arrival_at
    from judged
    group by window_number

),

spine as (

    {{ number_series('bounds', 'first_window', 'last_window') }}

)

select
    {{ window_start('spine.number', minutes) }} as window_start,
    {{ window_start('spine.number + 1', minutes) }} as window_end,
    cast(coalesce(measured.actions, 0) as bigint) as critical_actions,
    cast(coalesce(measured.complete_actions, 0) as bigint) as complete_actions,
    cast(coalesce(measured.decisions, 0) as bigint) as critical_decisions,
    cast(coalesce(measured.decisions_without_record, 0) as bigint) as decisions_without_record,
    measured.newest_arrival_at
from spine
left join measured on spine.number = measured.window_number
