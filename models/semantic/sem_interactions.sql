-- As kpi_interaction counts them: of two deliveries the worse one.
with events as (

    select
        event_id,
        max(page) as page,
        max(occurred_at) as occurred_at,
        max(cast(value_ms as {{ type_double() }})) as inp_ms
    from {{ ref('stg_ops__rum_events') }}
    where metric_name = 'INP' and value_ms >= 0
    group by event_id

),

final as (

    select
        event_id,
        page,
        {{ utc_timestamp('occurred_at') }} as occurred_at,
        inp_ms
    from events

)

select * from final
