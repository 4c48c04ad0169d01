with source as (

    select * from {{ raw_log('ops', 'audit_log') }}

),

renamed as (

    select
        -- identifiers
        cast(audit_id as {{ type_string() }}) as audit_id,
        cast(trace_id as {{ type_string() }}) as trace_id,
        cast(entity_id as {{ type_string() }}) as entity_id,
        -- text
        cast(entity_type as {{ type_string() }}) as entity_type,
        cast(action as {{ type_string() }}) as action,
        cast(actor_hash as {{ type_string() }}) as actor_hash,
        cast(commit_sha as {{ type_string() }}) as commit_sha,
        -- flags
        cast(is_critical as boolean) as is_critical,
        -- timestamps
        cast(occurred_at as {{ type_timestamp_utc() }}) as occurred_at,
        -- arrival
        cast(_loaded_at as {{ type_timestamp_utc() }}) as loaded_at
    from source

)

select * from renamed
