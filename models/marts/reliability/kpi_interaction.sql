{{ config(
    materialized='incremental',
    unique_key='interaction_id',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    indexes=indexes_where_useful([{'columns': ['interaction_id'], 'unique': true}, {'columns': ['window_start']}])
) }}

{% set minutes = kpi_minutes()['inp_p75'].every %}
{% set back = measured_windows('inp_p75') - 1 %}
{% set hour_number = window_number('occurred_at', minutes) %}
{% set floor = measured_until() %}
{% set log = ref('stg_ops__rum_events') %}

-- A window ends with its hour and is as many hours long as the sheet says.
with bounds as (

    {{ windows_to_measure([oldest_touched(log, 'occurred_at', floor)], minutes) }}

),

arrivals as (

    select
        {{ hour_number }} as hour_number,
        count(*) as arrivals
    from {{ log }}
    where
        metric_name = 'INP'
        and value_ms >= 0
        and {{ hour_number }} >= (select bounds.first_window - {{ back }} from bounds)
        and {{ hour_number }} <= (select bounds.last_window from bounds)
    group by {{ hour_number }}

),

hours as (

    {{ number_series('bounds', 'first_window', 'last_window') }}

),

-- The log only grows: a window with as many arrivals as when it was measured has not changed. Sorting
-- all its hours again is what costs.
spine as (

    select
        hours.number,
        cast(coalesce(sum(arrivals.arrivals), 0) as bigint) as arrivals
    from hours
    left join arrivals on hours.number between arrivals.hour_number and arrivals.hour_number + {{ back }}
    {% if is_incremental() %}
    left join {{ this }} as before
        on before.page = 'all' and before.window_start = {{ window_start('hours.number', minutes) }}
    {% endif %}
    group by hours.number
    {% if is_incremental() %}
    having coalesce(sum(arrivals.arrivals), 0) <> coalesce(max(before.arrivals), -1)
    {% endif %}

),

-- An event may be delivered twice; of two records the worse one counts.
events as (

    select
        event_id,
        max(page) as page,
        max({{ hour_number }}) as hour_number,
        max(cast(value_ms as {{ type_double() }})) as value_ms,
        max(loaded_at) as loaded_at
    from {{ log }}
    where
        metric_name = 'INP'
        and value_ms >= 0
        and {{ hour_number }} >= (select min(spine.number) - {{ back }} from spine)
        and {{ hour_number }} <= (select max(spine.number) from spine)
    group by event_id

),

-- Every event counts for its page and for the whole.
counted as (

    select * from events

    union all

    select
        event_id,
        'all' as page,
        hour_number,
        value_ms,
        loaded_at
    from events

),

measured as (

    select
        spine.number as hour_number,
        counted.page,
        count(*) as interactions,
        percentile_cont(0.75) within group (order by counted.value_ms) as p75_ms,
        max(counted.loaded_at) as newest_arrival_at
    from spine
    inner join counted on spine.number between counted.hour_number and counted.hour_number + {{ back }}
    group by spine.number, counted.page

),

-- A page without visits has no row; silence of all pages has one.
entities as (

    select
        page,
        hour_number
    from measured

    union

    select
        'all' as page,
        number as hour_number
    from spine

)

select
    entities.page || '@' || cast(entities.hour_number as {{ type_string() }}) as interaction_id,
    entities.page,
    {{ window_start('entities.hour_number', minutes) }} as window_start,
    {{ window_start('entities.hour_number + 1', minutes) }} as window_end,
    cast(coalesce(measured.interactions, 0) as bigint) as interactions,
    cast(measured.p75_ms as decimal(18, 9)) as p75_ms,
    spine.arrivals,
    measured.newest_arrival_at
from entities
inner join spine on entities.hour_number = spine.number
left join measured on entities.page = measured.page and entities.hour_number = measured.hour_number
