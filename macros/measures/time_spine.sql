{#- Every aligned step of so many minutes on the days of the data, as `name`: from the first market to the newest
    measured hour, and no farther back than windows are measured. Small tables give the bounds. -#}
{% macro time_spine(minutes, name) -%}
    {%- set steps_per_day = 1440 // minutes -%}
    with newest as (

        select {{ window_number('max(window_start)', 1440) }} as last_day
        from {{ ref('kpi_market_events') }}

    ),

    oldest as (

        select {{ window_number('min(opened_at)', 1440) }} as first_day
        from {{ ref('mbp_markets') }}

    ),

    bounds as (

        select
            greatest(oldest.first_day, newest.last_day - {{ var('mbp_kpi_days') | int }})
            * {{ steps_per_day }} as first_step,
            (newest.last_day + 1) * {{ steps_per_day }} - 1 as last_step
        from newest
        cross join oldest
        where oldest.first_day is not null and newest.last_day is not null

    ),

    spine as (

        {{ number_series('bounds', 'first_step', 'last_step') }}

    )

    select {{ utc_timestamp(window_start('spine.number', minutes)) }} as {{ name }}
    from spine
{%- endmacro %}
