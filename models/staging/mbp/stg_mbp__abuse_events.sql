-- Without CTEs: PostgreSQL flattens such a view and uses the indexes of its table.
select
    -- identifiers
    cast(abuse_event_id as {{ type_string() }}) as abuse_event_id,
    cast(market_id as {{ type_string() }}) as market_id,
    -- text
    cast(kind as {{ type_string() }}) as kind,
    cast(severity as {{ type_string() }}) as severity,
    cast(action_taken as {{ type_string() }}) as action_taken,
    cast(user_id_hash as {{ type_string() }}) as user_id_hash,
    cast(details as {{ type_string() }}) as details,
    -- timestamps
    cast(detected_at as {{ type_timestamp_utc() }}) as detected_at,
    {{ change_log_columns() }}
from {{ raw_log('mbp', 'abuse_events') }}
