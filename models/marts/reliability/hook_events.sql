{{ config(
    materialized='incremental',
    unique_key='event_id',
    incremental_strategy='append',
    full_refresh=false,
    on_schema_change='fail'
) }}

-- The ledger. `mbp watch` appends to it; nothing is ever changed or removed, and a rebuild from scratch keeps
-- it.
select
    cast(null as {{ type_string() }}) as event_id,
    cast(null as {{ type_string() }}) as decision_id,
    cast(null as {{ type_string() }}) as event,
    cast(null as {{ type_string() }}) as hook_id,
    cast(null as {{ type_string() }}) as kpi_id,
    cast(null as {{ type_string() }}) as entity,
    cast(null as {{ type_string() }}) as policy_hash,
    cast(null as {{ type_string() }}) as reason,
    cast(null as decimal(18, 6)) as value,
    cast(null as {{ type_string() }}) as target,
    cast(null as {{ type_timestamp_utc() }}) as window_end,
    cast(null as {{ type_timestamp_utc() }}) as breached_at,
    cast(null as {{ type_string() }}) as action,
    cast(null as {{ type_string() }}) as owner,
    cast(null as {{ type_string() }}) as outcome,
    cast(null as {{ type_timestamp_utc() }}) as happened_at
from (select 1 as nothing) as empty
where 1 = 0
