{{ config(
    materialized='incremental',
    unique_key='window_start',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    indexes=indexes_where_useful([{'columns': ['window_start'], 'unique': true}])
) }}

{% set minutes = kpi_minutes()['abuse_flags'].every %}
{% set floor = measured_until() %}
{% set flags = ref('stg_mbp__abuse_events') %}
{% set decisions = ref('stg_mbp__resolutions') %}

with bounds as (

    {{ windows_to_measure([
        oldest_touched(flags, 'detected_at', floor, 'abuse_event_id', ref('int_mbp__abuse_events_latest')),
        oldest_touched(decisions, 'decided_at', floor, 'resolution_id', ref('int_mbp__resolutions_latest')),
        oldest_touched(ref('stg_mbp__quotes'), 'quoted_at', floor)
    ], minutes) }}

),

flagged as (

    select
        {{ window_number('detected_at', minutes) }} as window_number,
        count(*) as flags,
        max(loaded_at) as newest_arrival_at
    from {{ ref('int_mbp__abuse_events_latest') }}
    where not is_deleted and {{ inside_bounds(window_number('detected_at', minutes)) }}
    group by {{ window_number('detected_at', minutes) }}

),

decided as (

    select
        {{ window_number('decided_at', minutes) }} as window_number,
        count(*) as resolutions,
        max({{ seconds_between('started_at', 'decided_at') }}) as longest_seconds,
        max(loaded_at) as newest_arrival_at
    from {{ ref('int_mbp__resolutions_latest') }}
    where not is_deleted and {{ inside_bounds(window_number('decided_at', minutes)) }}
    group by {{ window_number('decided_at', minutes) }}

),

spine as (

    {{ number_series('bounds', 'first_window', 'last_window') }}

)

select
    {{ window_start('spine.number', minutes) }} as window_start,
    {{ window_start('spine.number + 1', minutes) }} as window_end,
    cast(coalesce(flagged.flags, 0) as bigint) as abuse_flags,
    cast(coalesce(decided.resolutions, 0) as bigint) as resolutions,
    cast(decided.longest_seconds / 3600 as decimal(18, 6)) as longest_resolution_hours,
    -- greatest() of PostgreSQL skips nulls, and so does that of DuckDB.
    greatest(flagged.newest_arrival_at, decided.newest_arrival_at) as newest_arrival_at
from spine
left join flagged on spine.number = flagged.window_number
left join decided on spine.number = decided.window_number
