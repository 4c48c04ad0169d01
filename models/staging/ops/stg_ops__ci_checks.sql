with source as (

    select * from {{ raw_log('ops', 'ci_checks') }}

),

renamed as (

    select
        -- identifiers
        cast(check_id as {{ type_string() }}) as check_id,
        -- text
        cast(check_name as {{ type_string() }}) as check_name,
        cast(commit_sha as {{ type_string() }}) as commit_sha,
        cast(status as {{ type_string() }}) as status,
        cast(conclusion as {{ type_string() }}) as conclusion,
        -- timestamps
        cast(started_at as {{ type_timestamp_utc() }}) as started_at,
        cast(completed_at as {{ type_timestamp_utc() }}) as completed_at,
        -- arrival
        cast(_loaded_at as {{ type_timestamp_utc() }}) as loaded_at
    from source

)

select * from renamed
