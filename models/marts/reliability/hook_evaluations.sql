{{ config(
    materialized='incremental',
    unique_key='evaluation_id',
    incremental_strategy='append',
    full_refresh=false,
    on_schema_change='fail'
) }}

-- Which hooks were evaluated, when, and their values: the evidence of hook coverage. Written by `mbp watch`.
select
    cast(null as {{ type_string() }}) as evaluation_id,
    cast(null as {{ type_string() }}) as hook_id,
    cast(null as {{ type_string() }}) as definition_hash,
    cast(null as {{ type_string() }}) as state,
    cast(null as {{ type_timestamp_utc() }}) as evaluated_at
from (select 1 as nothing) as empty
where 1 = 0
