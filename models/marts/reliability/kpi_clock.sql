{{ config(materialized='view') }}

-- The project's now, for whoever judges how old a measurement is.
select
    'now' as clock_id,
    {{ mbp_now() }} as now_at
