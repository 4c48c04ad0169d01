{{ config(
    materialized='incremental',
    unique_key='divergence_id',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    incremental_predicates=['1 = 0'],
    indexes=indexes_where_useful([{'columns': ['divergence_id'], 'unique': true}, {'columns': ['window_start']}]),
    pre_hook="{{ forget_windows() }}"
) }}

{% set minutes = kpi_minutes()['twap_divergence'].every %}
{% set log, latest = ref('stg_mbp__quotes'), ref('int_mbp__quotes_latest') %}
{% set touched = [oldest_touched(log, 'quoted_at', measured_until(), 'quote_id', latest)] %}
{% set first = measured_again_from(touched, minutes) %}

with bounds as (

    {{ windows_from(first, touched, minutes) }}

),

pauses as (

    select * from {{ ref('int_mbp__market_status_intervals') }}
    where status = 'paused'

),

-- While a market is paused its price does not move and is not the market's.
divergences as (

    select
        quotes.market_id,
        quotes.loaded_at,
        {{ window_number('quotes.quoted_at', minutes) }} as window_number,
        cast(quotes.divergence_ratio as {{ type_double() }}) * 100 as divergence_percent
    from {{ ref('int_mbp__quotes_twap') }} as quotes
    where
        {{ inside_bounds(window_number('quotes.quoted_at', minutes)) }}
        and {{ measured_again('quotes.quoted_at', first) }}
        and not exists (
            select 1
            from pauses
            where
                pauses.market_id = quotes.market_id
                and quotes.quoted_at >= pauses.valid_from
                and (quotes.quoted_at <= pauses.valid_to or pauses.valid_to is null)
        )

),

target as (

    select target_bound from {{ ref('stg_reference__measurement_sheet') }}
    where kpi_id = 'twap_divergence'

)

select
    divergences.market_id || '/' || cast(divergences.window_number as {{ type_string() }}) as divergence_id,
    divergences.market_id,
    {{ window_start('divergences.window_number', minutes) }} as window_start,
    {{ window_start('divergences.window_number + 1', minutes) }} as window_end,
    cast(count(divergences.divergence_percent) as bigint) as quotes,
    cast(
        sum(case when divergences.divergence_percent > target.target_bound then 1 else 0 end) as bigint
    ) as quotes_outside,
    cast(max(divergences.divergence_percent) as decimal(18, 6)) as divergence_percent,
    max(divergences.loaded_at) as newest_arrival_at
from divergences
cross join target
group by divergences.market_id, divergences.window_number
