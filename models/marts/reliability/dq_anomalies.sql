{{ config(materialized='view') }}

-- Each complete day is compared with the days before it by a robust z-score (A89 policy, `monitor`).
with monitor as (

    select * from {{ ref('stg_reference__quality_monitor') }}

),

-- The first day of a log is incomplete, and today is not over.
bounds as (

    select
        arrivals.dataset,
        {{ utc_date(mbp_now()) }} as today,
        min(arrivals.arrival_date) as first_date
    from {{ ref('int_mbp__daily_arrivals') }} as arrivals
    group by arrivals.dataset

),

-- Days are counted out, not read: a day on which nothing arrived has no row, and matters most.
days_back as (

    {{ number_series('monitor', '1', '2 * window_days') }}

),

spine as (

    select
        bounds.dataset,
        bounds.today - cast(days_back.number as integer) as arrival_date
    from bounds
    cross join days_back
    where bounds.today - cast(days_back.number as integer) > bounds.first_date

),

days as (

    select
        spine.dataset,
        spine.arrival_date,
        coalesce(arrivals.changes, 0) as changes,
        arrivals.longest_silence_seconds,
        (
            select max(earlier.last_arrival_at)
            from {{ ref('int_mbp__daily_arrivals') }} as earlier
            where earlier.dataset = spine.dataset and earlier.arrival_date < spine.arrival_date
        ) as previous_arrival_at
    from spine
    left join {{ ref('int_mbp__daily_arrivals') }} as arrivals
        on spine.dataset = arrivals.dataset and spine.arrival_date = arrivals.arrival_date

),

measured as (

    select
        dataset || '/volume/' || cast(arrival_date as {{ type_string() }}) as anomaly_id,
        dataset,
        'volume' as measure,
        arrival_date,
        cast(changes as {{ type_double() }}) as measured_value
    from days

    union all

    -- A day without arrivals was silent to its end, from the last arrival on.
    select
        dataset || '/freshness/' || cast(arrival_date as {{ type_string() }}) as anomaly_id,
        dataset,
        'freshness' as measure,
        arrival_date,
        cast(coalesce(
            longest_silence_seconds,
            {{ seconds_between('previous_arrival_at', day_start('arrival_date + 1')) }}
        ) as {{ type_double() }}) as measured_value
    from days

),

compared as (

    select
        measured.anomaly_id,
        earlier.measured_value as earlier_value
    from measured
    cross join monitor
    left join measured as earlier
        on
            measured.dataset = earlier.dataset
            and measured.measure = earlier.measure
            and measured.arrival_date > earlier.arrival_date
            and earlier.arrival_date >= measured.arrival_date - monitor.window_days

),

medians as (

    select
        anomaly_id,
        count(earlier_value) as days_compared,
        percentile_cont(0.5) within group (order by earlier_value) as median_value
    from compared
    group by anomaly_id

),

deviations as (

    select
        medians.anomaly_id,
        percentile_cont(0.5) within group (
            order by abs(compared.earlier_value - medians.median_value)
        ) as median_deviation,
        avg(abs(compared.earlier_value - medians.median_value)) as mean_deviation
    from medians
    inner join compared on medians.anomaly_id = compared.anomaly_id
    group by medians.anomaly_id

),

-- When more than half of the days are alike, the median distance is 0 and the mean distance replaces it.
scaled as (

    select
        measured.*,
        medians.days_compared,
        medians.median_value,
        greatest(
            case
                when deviations.median_deviation > 0 then deviations.median_deviation / 0.6745
                else 1.253314 * deviations.mean_deviation
            end,
            abs(medians.median_value) * monitor.smallest_scale_percent / 100
        ) as scale,
        monitor.minimum_days,
        monitor.robust_z_threshold
    from measured
    inner join medians on measured.anomaly_id = medians.anomaly_id
    inner join deviations on measured.anomaly_id = deviations.anomaly_id
    cross join monitor

),

scored as (

    select
        *,
        case
            when measured_value = median_value then 0
            else (measured_value - median_value) / nullif(scale, 0)
        end as robust_z
    from scaled

),

rules as (

    select
        dataset,
        family,
        min(rule_id) as rule_id,
        min(owner) as owner
    from {{ ref('stg_reference__quality_rules') }}
    where family in ('volume', 'freshness')
    group by dataset, family

)

select
    scored.anomaly_id,
    scored.dataset,
    scored.measure,
    scored.arrival_date,
    scored.measured_value,
    scored.median_value,
    cast(scored.robust_z as decimal(18, 4)) as robust_z,
    scored.days_compared,
    case
        when scored.days_compared < scored.minimum_days then 'insufficient data'
        -- No days differed, and this one does.
        when scored.robust_z is null then 'anomaly'
        when scored.robust_z > scored.robust_z_threshold then 'anomaly'
        -- Shorter silences are no harm; fewer rows are.
        when scored.measure = 'volume' and scored.robust_z < -scored.robust_z_threshold then 'anomaly'
        else 'ok'
    end as verdict,
    rules.rule_id,
    rules.owner
from scored
left join rules on scored.dataset = rules.dataset and scored.measure = rules.family
