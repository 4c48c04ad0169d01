{#- Arrival minus commit at the source, 95th percentile over the last day of the log. Snapshot rows
    were not streamed and have no lag; a redelivery counts at its first arrival. Nothing streamed
    is a failure: the service level was not measured. -#}
{% test lag_p95_within(model, dataset, key_column, max_lag_seconds) %}

-- The log is named in each step: as one separate step it would be kept whole in memory, with every column.
with last_day as (

    select max(loaded_at) - interval '24 hours' as starts_at
    from {{ change_log(dataset) }}
    where change_operation <> 'r'

),

arrivals as (

    select
        change_log.{{ key_column }},
        change_log.log_position,
        min(change_log.committed_at) as committed_at,
        min(change_log.loaded_at) as loaded_at
    from {{ change_log(dataset) }} as change_log
    inner join last_day on change_log.loaded_at >= last_day.starts_at
    where change_log.change_operation <> 'r'
    group by change_log.{{ key_column }}, change_log.log_position

),

measured as (

    select
        count(*) as changes,
        percentile_cont(0.95) within group (
            order by {{ seconds_between('committed_at', 'loaded_at') }}
        ) as lag_p95_seconds
    from arrivals

)

select * from measured
where changes = 0 or lag_p95_seconds > {{ max_lag_seconds }}

{% endtest %}
