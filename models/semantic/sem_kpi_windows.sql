with windows as (

    select * from {{ ref('kpi_windows') }}

),

final as (

    select
        window_id,
        kpi_id,
        entity,
        verdict,
        {{ utc_timestamp('window_end') }} as window_end,
        cast(value as {{ type_double() }}) as value
    from windows

)

select * from final
