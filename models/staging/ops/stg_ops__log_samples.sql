with source as (

    select * from {{ raw_log('ops', 'log_samples') }}

),

renamed as (

    select
        -- identifiers
        cast(log_id as {{ type_string() }}) as log_id,
        cast(trace_id as {{ type_string() }}) as trace_id,
        -- text
        cast(service_name as {{ type_string() }}) as service_name,
        cast(severity_text as {{ type_string() }}) as severity_text,
        cast(body as {{ type_string() }}) as body,
        -- timestamps
        cast(logged_at as {{ type_timestamp_utc() }}) as logged_at,
        -- arrival
        cast(_loaded_at as {{ type_timestamp_utc() }}) as loaded_at
    from source

)

select * from renamed
