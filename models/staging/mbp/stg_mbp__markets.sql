-- Without CTEs: PostgreSQL flattens such a view and uses the indexes of its table.
select
    -- identifiers
    cast(market_id as {{ type_string() }}) as market_id,
    cast(template_id as {{ type_string() }}) as template_id,
    -- text
    cast(name as {{ type_string() }}) as name,
    cast(category as {{ type_string() }}) as category,
    cast(truth_source as {{ type_string() }}) as truth_source,
    cast(status as {{ type_string() }}) as status,
    -- numbers
    cast(min_liquidity as decimal(18, 8)) as min_liquidity,
    -- timestamps
    cast(opened_at as {{ type_timestamp_utc() }}) as opened_at,
    cast(closes_at as {{ type_timestamp_utc() }}) as closes_at,
    cast(closed_at as {{ type_timestamp_utc() }}) as closed_at,
    cast(resolution_deadline as {{ type_timestamp_utc() }}) as resolution_deadline,
    cast(created_at as {{ type_timestamp_utc() }}) as created_at,
    cast(updated_at as {{ type_timestamp_utc() }}) as updated_at,
    {{ change_log_columns() }}
from {{ raw_log('mbp', 'markets') }}
