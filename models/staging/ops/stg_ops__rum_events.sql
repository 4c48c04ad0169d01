with source as (

    select * from {{ raw_log('ops', 'rum_events') }}

),

renamed as (

    select
        -- identifiers
        cast(event_id as {{ type_string() }}) as event_id,
        cast(session_id_hash as {{ type_string() }}) as session_id_hash,
        -- text
        cast(page as {{ type_string() }}) as page,
        cast(metric_name as {{ type_string() }}) as metric_name,
        cast(rating as {{ type_string() }}) as rating,
        cast(navigation_type as {{ type_string() }}) as navigation_type,
        -- numbers
        cast(value_ms as decimal(18, 3)) as value_ms,
        -- timestamps
        cast(occurred_at as {{ type_timestamp_utc() }}) as occurred_at,
        -- arrival
        cast(_loaded_at as {{ type_timestamp_utc() }}) as loaded_at
    from source

)

select * from renamed
