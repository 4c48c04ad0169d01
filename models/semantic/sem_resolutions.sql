with resolutions as (

    select * from {{ ref('mbp_resolutions') }}

),

final as (

    select
        resolution_id,
        market_id,
        source_kind,
        decided_value,
        {{ utc_timestamp('decided_at') }} as decided_at,
        cast({{ seconds_between('started_at', 'decided_at') }} as {{ type_double() }}) / 3600
            as resolution_hours
    from resolutions

)

select * from final
