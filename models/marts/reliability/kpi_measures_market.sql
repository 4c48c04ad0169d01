{{ config(materialized='view') }}

-- Measurements in the shape of `kpi_windows`. `is_confirmed`: a missed target counts; `is_breach_anyway`: a
-- breach whatever the target says. What the two mean stands in the sheet's definition of the KPI.
with usual as (

    -- The hour itself is not what is usual.
    select
        events.window_start,
        parameters.abuse_usual_floor,
        sum(before.abuse_flags)
        / cast(nullif(count(before.abuse_flags), 0) as double precision) as flags_per_hour
    from {{ ref('kpi_market_events') }} as events
    cross join {{ ref('stg_reference__measurement_parameters') }} as parameters
    left join {{ ref('kpi_market_events') }} as before
        on
            events.window_start > before.window_start
            and before.window_start >= events.window_start - parameters.abuse_usual_hours * interval '1 hour'
    group by events.window_start, parameters.abuse_usual_floor

),

events as (

    select
        events.*,
        greatest(coalesce(usual.flags_per_hour, 0), usual.abuse_usual_floor) as usual_flags,
        {{ rolling_sum('events.resolutions', 24, 'events.window_start') }} as resolutions_24h,
        max(events.longest_resolution_hours) over (
            order by events.window_start rows between 23 preceding and current row
        ) as longest_hours_24h
    from {{ ref('kpi_market_events') }} as events
    inner join usual on events.window_start = usual.window_start

),

active as (

    select
        window_start,
        sum(case when trades > 0 then 1 else 0 end) as markets
    from {{ ref('kpi_market_hours') }}
    group by window_start

),

divergences as (

    select
        divergence.*,
        divergence.quotes_outside >= parameters.twap_samples_outside as has_enough_outside,
        before.divergence_percent > sheet.target_bound as was_outside_before
    from {{ ref('kpi_price_divergence') }} as divergence
    cross join {{ ref('stg_reference__measurement_parameters') }} as parameters
    inner join {{ ref('stg_reference__measurement_sheet') }} as sheet on sheet.kpi_id = 'twap_divergence'
    left join {{ ref('kpi_price_divergence') }} as before
        on
            divergence.market_id = before.market_id
            and divergence.window_start = before.window_end

),

measures as (

    select
        'twap_divergence' as kpi_id,
        market_id as entity,
        window_start,
        window_end,
        cast(divergence_percent as decimal(18, 6)) as value,
        cast(quotes as bigint) as samples,
        cast(quotes_outside as decimal(18, 6)) as compared_value,
        coalesce(was_outside_before, false) as is_confirmed,
        has_enough_outside as is_breach_anyway
    from divergences

    union all

    select
        'depth_2pct' as kpi_id,
        hours.market_id as entity,
        hours.window_start,
        hours.window_end,
        cast(
            cast(hours.median_depth_2pct as double precision)
            / nullif(cast(markets.min_liquidity as double precision), 0) as decimal(18, 6)
        ) as value,
        cast(hours.quotes as bigint) as samples,
        cast(null as decimal(18, 6)) as compared_value,
        true as is_confirmed,
        false as is_breach_anyway
    from {{ ref('kpi_market_hours') }} as hours
    inner join {{ ref('mbp_markets') }} as markets on hours.market_id = markets.market_id

    union all

    select
        'active_markets' as kpi_id,
        'all' as entity,
        events.window_start,
        events.window_end,
        cast(coalesce(active.markets, 0) as decimal(18, 6)) as value,
        cast(coalesce(active.markets, 0) as bigint) as samples,
        cast(null as decimal(18, 6)) as compared_value,
        true as is_confirmed,
        false as is_breach_anyway
    from events
    left join active on events.window_start = active.window_start

    union all

    select
        'abuse_flags' as kpi_id,
        'all' as entity,
        window_start,
        window_end,
        cast(abuse_flags / usual_flags as decimal(18, 6)) as value,
        cast(abuse_flags as bigint) as samples,
        cast(usual_flags as decimal(18, 6)) as compared_value,
        true as is_confirmed,
        false as is_breach_anyway
    from events

    union all

    select
        'resolution_time' as kpi_id,
        'all' as entity,
        window_end - interval '24 hours' as window_start,
        window_end,
        cast(longest_hours_24h as decimal(18, 6)) as value,
        cast(resolutions_24h as bigint) as samples,
        cast(null as decimal(18, 6)) as compared_value,
        true as is_confirmed,
        false as is_breach_anyway
    from events

)

select
    kpi_id || '/' || entity || '/'
    || cast({{ epoch_microseconds('window_end') }} as {{ type_string() }}) as measure_id,
    *
from measures
