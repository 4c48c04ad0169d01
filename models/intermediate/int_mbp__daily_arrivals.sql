{{ config(
    materialized='incremental',
    unique_key='arrivals_id',
    incremental_strategy='delete+insert',
    on_schema_change='fail'
) }}

{% set newest = 'select max(last_arrival_at) as newest from ' ~ this %}
{% set floor = arrival_floor(newest) if is_incremental() else none %}

-- Silences are measured between minutes with arrivals: a gap inside of one does not count, and sorting
-- minutes costs a thousandth of sorting changes.
with minutes as (

    {% for log in change_logs() %}
    select
        '{{ log.dataset }}' as dataset,
        {{ window_number('loaded_at', 1) }} as arrival_minute,
        count(*) as changes,
        min(loaded_at) as first_arrival_at,
        max(loaded_at) as last_arrival_at
    from {{ ref(log.staging) }}
    {% if floor is not none %}where loaded_at >= {{ day_start(utc_date(floor)) }}{% endif %}
    group by {{ window_number('loaded_at', 1) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

spaced as (

    select
        minutes.dataset,
        minutes.changes,
        minutes.first_arrival_at,
        minutes.last_arrival_at,
        {{ utc_date('minutes.first_arrival_at') }} as arrival_date,
        coalesce(
            lag(minutes.last_arrival_at) over (
                partition by minutes.dataset order by minutes.arrival_minute
            ),
            {% if floor is not none %}
            (
                select max(applied.last_arrival_at)
                from {{ this }} as applied
                where applied.dataset = minutes.dataset and applied.arrival_date < {{ utc_date(floor) }}
            ),
            {% endif %}
            minutes.first_arrival_at
        ) as previous_arrival_at
    from minutes
    where minutes.arrival_minute is not null

)

select
    dataset || '/' || cast(arrival_date as {{ type_string() }}) as arrivals_id,
    dataset,
    arrival_date,
    cast(sum(changes) as bigint) as changes,
    min(first_arrival_at) as first_arrival_at,
    max(last_arrival_at) as last_arrival_at,
    coalesce(
        max({{ seconds_between('previous_arrival_at', 'first_arrival_at') }}), 0
    ) as longest_silence_seconds
from spaced
group by dataset, arrival_date
