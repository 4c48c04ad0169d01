{{ config(materialized='view') }}

{% set before_minutes = kpi_minutes()['inp_p75'].window %}

-- What the KPIs mean, and why some confirm themselves first, is in the measurement sheet.
with parameters as (

    select * from {{ ref('stg_reference__measurement_parameters') }}

),

lags as (

    -- A clock that runs backwards measured nothing.
    select
        dataset,
        window_start,
        window_end,
        changes,
        skewed_changes,
        case when skewed_changes = 0 then p95_seconds end as p95_seconds
    from {{ ref('kpi_cdc_lag') }}

),

worst_lags as (

    select
        window_start,
        window_end,
        sum(changes) as changes,
        sum(skewed_changes) as skewed_changes,
        case when count(p95_seconds) = count(*) then max(p95_seconds) end as p95_seconds
    from lags
    group by window_start, window_end

),

interactions as (

    select
        interactions.*,
        before.p75_ms as p75_before_ms
    from {{ ref('kpi_interaction') }} as interactions
    left join {{ ref('kpi_interaction') }} as before
        on
            interactions.page = before.page
            and interactions.window_end = before.window_end + interval '{{ before_minutes }} minutes'
            and before.interactions >= (
                select sheet.minimum_samples
                from {{ ref('stg_reference__measurement_sheet') }} as sheet
                where sheet.kpi_id = 'inp_p75'
            )

),

audit as (

    select
        window_end,
        {{ rolling_sum('critical_actions', 'audit_coverage') }} as actions,
        {{ rolling_sum('complete_actions', 'audit_coverage') }} as complete_actions,
        {{ rolling_sum('critical_decisions', 'decision_gap') }} as decisions,
        {{ rolling_sum('decisions_without_record', 'decision_gap') }} as decisions_without_record
    from {{ ref('kpi_audit') }}

),

measures as (

    {{ measurement('dec_p95', 'measured.p95_ms', 'measured.decisions') }}
    from {{ ref('kpi_decision_latency') }} as measured

    union all

    {{ measurement(
        'error_budget_burn',
        'measured.burn_4h',
        'measured.decisions_4h',
        compared='measured.burn_confirmation',
        confirmed='coalesce(measured.burn_confirmation >= parameters.burn_ticket, false)'
    ) }}
    from {{ ref('kpi_service_level') }} as measured
    cross join parameters

    union all

    {{ measurement(
        'cdc_lag_p95', 'measured.p95_seconds', 'measured.changes',
        entity='measured.dataset', compared='measured.skewed_changes'
    ) }}
    from lags as measured

    union all

    {{ measurement(
        'cdc_lag_p95', 'measured.p95_seconds', 'measured.changes', compared='measured.skewed_changes'
    ) }}
    from worst_lags as measured

    union all

    {{ measurement(
        'inp_p75',
        'measured.p75_ms',
        'measured.interactions',
        entity='measured.page',
        compared='measured.p75_before_ms',
        anyway='coalesce(measured.p75_ms > measured.p75_before_ms * (1 + parameters.inp_tolerance_percent / 100), false)'
    ) }}
    from interactions as measured
    cross join parameters

    union all

    {{ measurement(
        'audit_coverage',
        '100.0 * measured.complete_actions / nullif(measured.actions, 0)',
        'measured.actions'
    ) }}
    from audit as measured

    union all

    {{ measurement(
        'decision_gap', 'measured.decisions_without_record', 'measured.decisions'
    ) }}
    from audit as measured

    union all

    select
        kpi_id,
        'all' as entity,
        measured_at as window_start,
        measured_at as window_end,
        value,
        samples,
        cast(null as decimal(18, 6)) as compared_value,
        true as is_confirmed,
        false as is_breach_anyway
    from {{ ref('kpi_runs') }}

)

select
    kpi_id || '/' || entity || '/'
    || cast({{ epoch_microseconds('window_end') }} as {{ type_string() }}) as measure_id,
    *
from measures
