{{ config(materialized='view') }}

{% set minutes = kpi_minutes()['dec_p95'].every %}
{% set burn = kpi_minutes()['error_budget_burn'].window %}
{#- Length of each sum in minutes: that of the KPI, and of the tiers of the SRE Workbook. -#}
{% set spans = {'5m': 5, '30m': 30, '1h': 60, '4h': burn, '6h': 360, '3d': 4320} %}

with windows as (

    select
        latency.*,
        parameters.burn_page_fast,
        parameters.burn_page_slow,
        parameters.burn_ticket,
        1 - parameters.slo_percent / 100 as error_budget,
        parameters.sustained_minutes / {{ minutes }} as sustained_windows,
        parameters.burn_confirmation_minutes / {{ minutes }} as confirmation_windows,
        row_number() over (order by latency.window_start) as position,
        case when latency.p95_ms <= sheet.target_bound then 0 else 1 end as is_off_target
    from {{ ref('kpi_decision_latency') }} as latency
    cross join {{ ref('stg_reference__measurement_parameters') }} as parameters
    cross join {{ ref('stg_reference__measurement_sheet') }} as sheet
    where sheet.kpi_id = 'dec_p95'

),

-- Running totals make every sum a difference, whatever its length.
totals as (

    select
        *,
        sum(decisions) over (order by window_start) as decisions_so_far,
        sum(bad_decisions) over (order by window_start) as bad_so_far,
        sum(is_off_target) over (order by window_start) as off_target_so_far
    from windows

),

sums as (

    select
        now.*,
        now.position >= now.sustained_windows
        and now.off_target_so_far - coalesce(sustained.off_target_so_far, 0) = 0 as is_sustained,
        {% for name, length in spans.items() %}
        cast(now.bad_so_far - coalesce(back_{{ name }}.bad_so_far, 0) as {{ type_double() }})
        / nullif(now.decisions_so_far - coalesce(back_{{ name }}.decisions_so_far, 0), 0)
        / now.error_budget as burn_{{ name }},
        {% endfor %}
        now.decisions_so_far - coalesce(back_4h.decisions_so_far, 0) as decisions_4h,
        cast(now.bad_so_far - coalesce(confirming.bad_so_far, 0) as {{ type_double() }})
        / nullif(now.decisions_so_far - coalesce(confirming.decisions_so_far, 0), 0)
        / now.error_budget as burn_confirmation
    from totals as now
    left join totals as sustained on now.position - now.sustained_windows = sustained.position
    left join totals as confirming on now.position - now.confirmation_windows = confirming.position
    {% for name, length in spans.items() %}
    left join totals as back_{{ name }} on now.position - {{ length // minutes }} = back_{{ name }}.position
    {% endfor %}

)

select
    window_start,
    window_end,
    decisions,
    errors_5xx,
    cast(cast(errors_5xx as {{ type_double() }}) / nullif(decisions, 0) as decimal(18, 6)) as error_rate_5xx,
    bad_decisions,
    p95_ms,
    is_sustained as is_within_target_sustained,
    cast(decisions_4h as bigint) as decisions_4h,
    {% for name in spans %}
    cast(burn_{{ name }} as decimal(18, 6)) as burn_{{ name }},
    {% endfor %}
    cast(burn_confirmation as decimal(18, 6)) as burn_confirmation,
    coalesce(burn_1h > burn_page_fast and burn_5m > burn_page_fast, false) as is_fast_page,
    coalesce(burn_6h > burn_page_slow and burn_30m > burn_page_slow, false) as is_slow_page,
    coalesce(burn_3d > burn_ticket and burn_6h > burn_ticket, false) as is_ticket
from sums
