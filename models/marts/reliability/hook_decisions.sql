{{ config(materialized='view') }}

with opened as (

    select * from {{ ref('hook_events') }}
    where event = 'opened'

),

closed as (

    select
        decision_id,
        min(happened_at) as closed_at
    from {{ ref('hook_events') }}
    where event = 'recovered'
    group by decision_id

)

select
    opened.decision_id,
    opened.hook_id,
    opened.kpi_id,
    opened.entity,
    opened.policy_hash,
    opened.reason,
    opened.value,
    opened.target,
    opened.action,
    opened.owner,
    opened.outcome,
    opened.breached_at,
    opened.happened_at as opened_at,
    closed.closed_at,
    {{ seconds_between('opened.breached_at', 'opened.happened_at') }} as detect_seconds,
    {{ seconds_between('opened.happened_at', 'closed.closed_at') }} as recover_seconds
from opened
left join closed on opened.decision_id = closed.decision_id
