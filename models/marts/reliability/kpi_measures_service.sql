{{ config(materialized='view') }}

-- Measurements in the shape of `kpi_windows`. `is_confirmed`: a missed target counts; `is_breach_anyway`: a
-- breach whatever the target says. What the two mean stands in the sheet's definition of the KPI.
with lags as (

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
            and interactions.window_end = before.window_end + interval '24 hours'
            and before.interactions >= (
                select sheet.minimum_samples
                from {{ ref('stg_reference__measurement_sheet') }} as sheet
                where sheet.kpi_id = 'inp_p75'
            )

),

audit as (

    select
        window_end,
        {{ rolling_sum('critical_actions', 24) }} as actions,
        {{ rolling_sum('complete_actions', 24) }} as complete_actions,
        {{ rolling_sum('critical_decisions', 24) }} as decisions,
        {{ rolling_sum('decisions_without_record', 24) }} as decisions_without_record
    from {{ ref('kpi_audit') }}

),

measures as (

    select
        'dec_p95' as kpi_id,
        'all' as entity,
        window_start,
        window_end,
        cast(p95_ms as decimal(18, 6)) as value,
        cast(decisions as bigint) as samples,
        cast(null as decimal(18, 6)) as compared_value,
        true as is_confirmed,
        false as is_breach_anyway
    from {{ ref('kpi_decision_latency') }}

    union all

    select
        'error_budget_burn' as kpi_id,
        'all' as entity,
        levels.window_end - interval '4 hours' as window_start,
        levels.window_end,
        levels.burn_4h as value,
        levels.decisions_4h as samples,
        levels.burn_confirmation as compared_value,
        coalesce(levels.burn_confirmation >= parameters.burn_ticket, false) as is_confirmed,
        false as is_breach_anyway
    from {{ ref('kpi_service_level') }} as levels
    cross join {{ ref('stg_reference__measurement_parameters') }} as parameters

    union all

    select
        'cdc_lag_p95' as kpi_id,
        dataset as entity,
        window_start,
        window_end,
        cast(p95_seconds as decimal(18, 6)) as value,
        cast(changes as bigint) as samples,
        cast(skewed_changes as decimal(18, 6)) as compared_value,
        true as is_confirmed,
        false as is_breach_anyway
    from lags

    union all

    select
        'cdc_lag_p95' as kpi_id,
        'all' as entity,
        window_start,
        window_end,
        cast(p95_seconds as decimal(18, 6)) as value,
        cast(changes as bigint) as samples,
        cast(skewed_changes as decimal(18, 6)) as compared_value,
        true as is_confirmed,
        false as is_breach_anyway
    from worst_lags

    union all

    select
        'inp_p75' as kpi_id,
        interactions.page as entity,
        interactions.window_end - interval '24 hours' as window_start,
        interactions.window_end,
        cast(interactions.p75_ms as decimal(18, 6)) as value,
        interactions.interactions as samples,
        cast(interactions.p75_before_ms as decimal(18, 6)) as compared_value,
        true as is_confirmed,
        coalesce(
            interactions.p75_ms > interactions.p75_before_ms * (1 + parameters.inp_tolerance_percent / 100),
            false
        ) as is_breach_anyway
    from interactions
    cross join {{ ref('stg_reference__measurement_parameters') }} as parameters

    union all

    select
        'audit_coverage' as kpi_id,
        'all' as entity,
        window_end - interval '24 hours' as window_start,
        window_end,
        cast(100.0 * complete_actions / nullif(actions, 0) as decimal(18, 6)) as value,
        cast(actions as bigint) as samples,
        cast(null as decimal(18, 6)) as compared_value,
        true as is_confirmed,
        false as is_breach_anyway
    from audit

    union all

    select
        'decision_gap' as kpi_id,
        'all' as entity,
        window_end - interval '24 hours' as window_start,
        window_end,
        cast(decisions_without_record as decimal(18, 6)) as value,
        cast(decisions as bigint) as samples,
        cast(null as decimal(18, 6)) as compared_value,
        true as is_confirmed,
        false as is_breach_anyway
    from audit

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
