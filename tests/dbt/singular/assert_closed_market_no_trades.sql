-- A trade needs an open market, by status history: not the status of today. The two ends of an
-- open interval belong to it, so a trade that closes a market is still a trade in an open one.
-- Orphans belong to the foreign key rule.
with quotes as (

    {% set intervals = ref('int_mbp__market_status_intervals') %}
    select * from {{ rows_to_check(ref('mbp_quotes'), ref('mbp_markets'), intervals) }}
    where volume > 0

),

markets as (

    select * from {{ ref('mbp_markets') }}

),

open_intervals as (

    select * from {{ ref('int_mbp__market_status_intervals') }}
    where status = 'open'

)

select quotes.*
from quotes
inner join markets on quotes.market_id = markets.market_id
where
    quotes.quoted_at is not null
    and not exists (
        select 1
        from open_intervals
        where
            open_intervals.market_id = quotes.market_id
            and quotes.quoted_at >= open_intervals.valid_from
            and (quotes.quoted_at <= open_intervals.valid_to or open_intervals.valid_to is null)
    )
