{{ config(materialized='view') }}

{% set hours_before = measured_windows('resolution_time') - 1 %}

-- What the KPIs mean, and why some confirm themselves first, is in the measurement sheet.
with usual as (

    -- The hour itself is not what is usual.
    select
        events.window_start,
        parameters.abuse_usual_floor,
        sum(before.abuse_flags)
        / cast(nullif(count(before.abuse_flags), 0) as {{ type_double() }}) as flags_per_hour
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
        {{ rolling_sum('events.resolutions', 'resolution_time', 'events.window_start') }} as resolutions_24h,
        max(events.longest_resolution_hours) over (
            order by events.window_start rows between {{ hours_before }} preceding and current row
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

    {{ measurement(
        'twap_divergence',
        'measured.divergence_percent',
        'measured.quotes',
        entity='measured.market_id',
        compared='measured.quotes_outside',
        confirmed='coalesce(measured.was_outside_before, false)',
        anyway='measured.has_enough_outside'
    ) }}
    from divergences as measured

    union all

    {{ measurement(
        'depth_2pct',
        'cast(measured.median_depth_2pct as ' ~ type_double() ~ ')'
        ~ ' / nullif(cast(markets.min_liquidity as ' ~ type_double() ~ '), 0)',
        'measured.quotes',
        entity='measured.market_id'
    ) }}
    from {{ ref('kpi_market_hours') }} as measured
    inner join {{ ref('mbp_markets') }} as markets on measured.market_id = markets.market_id

    union all

    {{ measurement('active_markets', 'coalesce(active.markets, 0)', 'coalesce(active.markets, 0)') }}
    from events as measured
    left join active on measured.window_start = active.window_start

    union all

    {{ measurement(
        'abuse_flags', 'measured.abuse_flags / measured.usual_flags', 'measured.abuse_flags',
        compared='measured.usual_flags'
    ) }}
    from events as measured

    union all

    {{ measurement(
        'resolution_time', 'measured.longest_hours_24h', 'measured.resolutions_24h'
    ) }}
    from events as measured

)

select
    kpi_id || '/' || entity || '/'
    || cast({{ epoch_microseconds('window_end') }} as {{ type_string() }}) as measure_id,
    *
from measures
