{#- The dataset's change log must have an arrival no older than the service level. An empty log is a
    failure: nothing arrived. `key_column` is not read; all checks of a change log share one signature. -#}
{% test fresh_within(model, dataset, key_column, max_age_seconds) %}

with newest as (

    select
        newest as newest_arrival,
        {{ mbp_now() }} as measured_at
    from ({{ end_of_log(change_logs() | selectattr('dataset', 'equalto', dataset) | first) }}) as change_log

)

select
    newest_arrival,
    measured_at,
    {{ seconds_between('newest_arrival', 'measured_at') }} as age_seconds
from newest
where
    newest_arrival is null
    or {{ seconds_between('newest_arrival', 'measured_at') }} > {{ max_age_seconds }}
    -- An arrival in the future is a wrong clock; it would count as fresh until the clock catches up.
    or {{ seconds_between('measured_at', 'newest_arrival') }} > {{ var('mbp_clock_skew_seconds') }}

{% endtest %}
