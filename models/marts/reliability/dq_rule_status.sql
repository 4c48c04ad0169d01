{{ config(materialized='view') }}

with rules as (

    select * from {{ ref('stg_reference__quality_rules') }}

),

monitor as (

    select * from {{ ref('stg_reference__quality_monitor') }}

),

-- A rule that an engine cannot express, or that the loaded source cannot show, was not judged.
judged as (

    select
        results.*,
        results.executed_at >= {{ current_timestamp() }} - monitor.pass_rate_days * interval '1 day'
            as is_recent,
        row_number() over (
            partition by results.rule_id, results.engine
            order by results.executed_at desc, results.run_id desc
        ) as recency
    from {{ ref('dq_results') }} as results
    cross join monitor
    where results.verdict in ('pass', 'fail', 'warn', 'error')

),

summed as (

    select
        rule_id,
        engine,
        max(executed_at) as last_run_at,
        max(case when recency = 1 then verdict end) as last_verdict,
        max(case when recency = 1 then failing_rows end) as last_failing_rows,
        max(case when verdict = 'pass' then executed_at end) as last_passed_at,
        sum(case when is_recent then 1 else 0 end) as recent_runs,
        sum(case when is_recent and verdict = 'pass' then 1 else 0 end) as recent_passes
    from judged
    group by rule_id, engine

),

failing as (

    select
        judged.rule_id,
        judged.engine,
        min(judged.executed_at) as failing_since
    from judged
    inner join summed on judged.rule_id = summed.rule_id and judged.engine = summed.engine
    where
        judged.verdict <> 'pass'
        and (summed.last_passed_at is null or judged.executed_at > summed.last_passed_at)
    group by judged.rule_id, judged.engine

)

select
    rules.rule_id || '/' || coalesce(summed.engine, 'none') as status_id,
    rules.rule_id,
    rules.dataset,
    rules.family,
    rules.severity,
    rules.owner,
    summed.engine,
    summed.last_verdict,
    cast(summed.last_failing_rows as bigint) as last_failing_rows,
    summed.last_run_at,
    {{ seconds_between('summed.last_run_at', current_timestamp()) }} as seconds_since_last_run,
    failing.failing_since,
    cast(coalesce(summed.recent_runs, 0) as bigint) as recent_runs,
    cast(
        cast(summed.recent_passes as {{ type_double() }}) / nullif(summed.recent_runs, 0) as decimal(18, 6)
    ) as pass_rate
from rules
left join summed on rules.rule_id = summed.rule_id
left join failing on summed.rule_id = failing.rule_id and summed.engine = failing.engine
