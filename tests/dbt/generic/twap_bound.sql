{#- A price more than 1 % away from its average in two 5-minute windows in a row is only accepted
    while the market is paused. Windows are aligned to the clock. -#}
{% test twap_bound(model) %}

with averages as (

    select * from {{ ref('int_mbp__quotes_twap') }}
    where {{ twap_diverges() }}

),

intervals as (

    select * from {{ ref('int_mbp__market_status_intervals') }}
    where status = 'paused'

),

divergent as (

    select
        averages.market_id,
        averages.divergence_ratio,
        cast(
            floor({{ epoch_microseconds('averages.quoted_at') }} / 300000000.0) as bigint
        ) as window_number
    from averages
    where
        not exists (
            select 1
            from intervals
            where
                intervals.market_id = averages.market_id
                and averages.quoted_at >= intervals.valid_from
                and (averages.quoted_at <= intervals.valid_to or intervals.valid_to is null)
        )

),

windows as (

    select
        market_id,
        window_number,
        max(divergence_ratio) as divergence_ratio
    from divergent
    group by market_id, window_number

)

select
    second_window.market_id,
    first_window.divergence_ratio as first_divergence_ratio,
    second_window.divergence_ratio as second_divergence_ratio,
    second_window.window_number
from windows as second_window
inner join windows as first_window
    on
        second_window.market_id = first_window.market_id
        and second_window.window_number = first_window.window_number + 1

{% endtest %}
