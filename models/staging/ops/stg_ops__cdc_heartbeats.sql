with source as (

    select * from {{ raw_log('ops', 'cdc_heartbeats') }}

),

renamed as (

    select
        -- identifiers
        cast(heartbeat_id as {{ type_string() }}) as heartbeat_id,
        -- text
        cast(table_name as {{ type_string() }}) as table_name,
        -- timestamps
        cast(emitted_at as {{ type_timestamp_utc() }}) as emitted_at,
        -- arrival
        cast(_loaded_at as {{ type_timestamp_utc() }}) as loaded_at
    from source

)

select * from renamed
