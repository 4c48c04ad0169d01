-- A market that trades or is paused has no end of trading yet; one that ended has.
with markets as (

    select * from {{ ref('mbp_markets') }}

)

select *
from markets
where
    (status in ('open', 'paused') and closed_at is not null)
    or (status in ('closed', 'resolved', 'canceled') and closed_at is null)
