{{ config(materialized='view') }}

with status as (

    select * from {{ ref('dq_rule_status') }}

),

monitor as (

    select * from {{ ref('stg_reference__quality_monitor') }}

),

broken as (

    select
        'rule broken' as kind,
        rule_id,
        dataset,
        owner,
        severity,
        failing_since as since,
        engine || ': ' || last_verdict
        || coalesce(', ' || cast(last_failing_rows as {{ type_string() }}) || ' rows', '') as detail
    from status
    where last_verdict <> 'pass'

),

-- One engine that judged it is enough.
not_looked as (

    select
        'rule not run' as kind,
        status.rule_id,
        status.dataset,
        status.owner,
        status.severity,
        max(status.last_run_at) as since,
        case
            when max(status.last_run_at) is null then 'never run'
            when min(status.seconds_since_last_run) < -{{ var('mbp_clock_skew_seconds') | int }}
                then 'last run in the future: a clock is wrong, or was set back'
            else 'last run ' || cast(
                cast(floor(min(status.seconds_since_last_run) / 3600) as bigint) as {{ type_string() }}
            ) || ' hours ago'
        end as detail
    from status
    cross join monitor
    group by status.rule_id, status.dataset, status.owner, status.severity, monitor.rule_max_age_hours
    having
        coalesce(min(status.seconds_since_last_run) > monitor.rule_max_age_hours * 3600, true)
        -- A run of the future would be the newest until the clock has caught up.
        or min(status.seconds_since_last_run) < -{{ var('mbp_clock_skew_seconds') | int }}

),

newest as (

    select max(arrival_date) as arrival_date from {{ ref('dq_anomalies') }}

),

unusual as (

    select
        'unusual ' || anomalies.measure as kind,
        anomalies.rule_id,
        anomalies.dataset,
        anomalies.owner,
        'warning' as severity,
        {{ day_start('anomalies.arrival_date') }} as since,
        cast(cast(round(anomalies.measured_value) as bigint) as {{ type_string() }})
        || (case when anomalies.measure = 'volume' then ' changes' else ' s of silence' end)
        || ' where ' || cast(cast(round(anomalies.median_value) as bigint) as {{ type_string() }})
        || ' is usual'
        || coalesce(', robust z ' || cast(anomalies.robust_z as {{ type_string() }}), '') as detail
    from {{ ref('dq_anomalies') }} as anomalies
    inner join newest on anomalies.arrival_date = newest.arrival_date
    where anomalies.verdict = 'anomaly'

),

alerts as (

    select * from broken
    union all
    select * from not_looked
    union all
    select * from unusual

)

select
    kind || '/' || rule_id || '/' || detail as alert_id,
    *
from alerts
