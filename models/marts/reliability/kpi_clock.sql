{{ config(materialized='view') }}

-- The project's now, for judging the age of a measurement.
select
    'now' as clock_id,
    {{ mbp_now() }} as now_at
