with source as (

    select * from {{ raw_log('mbp', 'abuse_events') }}

),

renamed as (

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
        -- change log
        cast(__op as {{ type_string() }}) as change_operation,
        coalesce(__op = 'd' or __deleted = 'true', false) as is_deleted,
        cast(__source_lsn as bigint) as log_position,
        {{ timestamp_from_milliseconds('__source_ts_ms') }} as committed_at,
        cast(_loaded_at as {{ type_timestamp_utc() }}) as loaded_at
    from source

)

select * from renamed
