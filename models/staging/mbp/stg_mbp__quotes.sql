-- Without CTEs: PostgreSQL flattens such a view and uses the indexes of its table.
select
    -- identifiers
    cast(quote_id as {{ type_string() }}) as quote_id,
    cast(market_id as {{ type_string() }}) as market_id,
    -- numbers
    cast(price as decimal(18, 8)) as price,
    cast(volume as decimal(18, 8)) as volume,
    cast(depth_2pct as decimal(18, 8)) as depth_2pct,
    cast(twap_5m as decimal(18, 8)) as twap_5m,
    -- timestamps
    cast(quoted_at as {{ type_timestamp_utc() }}) as quoted_at,
    {{ change_log_columns() }}
from {{ raw_log('mbp', 'quotes') }}
