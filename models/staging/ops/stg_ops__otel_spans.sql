with source as (

    select * from {{ raw_log('ops', 'otel_spans') }}

),

renamed as (

    select
        -- identifiers
        cast(trace_id as {{ type_string() }}) as trace_id,
        cast(span_id as {{ type_string() }}) as span_id,
        cast(parent_span_id as {{ type_string() }}) as parent_span_id,
        -- text
        cast(name as {{ type_string() }}) as span_name,
        cast(service_name as {{ type_string() }}) as service_name,
        cast(span_kind as {{ type_string() }}) as span_kind,
        cast(status_code as {{ type_string() }}) as status_code,
        cast(attributes as {{ type_string() }}) as attributes,
        -- numbers
        cast(http_status_code as bigint) as http_status_code,
        -- timestamps
        {{ timestamp_from_nanoseconds('start_time_unix_nano') }} as started_at,
        {{ timestamp_from_nanoseconds('end_time_unix_nano') }} as ended_at,
        -- durations, exact: the two ends are whole nanoseconds
        cast(end_time_unix_nano - start_time_unix_nano as bigint) as duration_nanoseconds,
        -- arrival
        cast(_loaded_at as {{ type_timestamp_utc() }}) as loaded_at
    from source

)

select * from renamed
