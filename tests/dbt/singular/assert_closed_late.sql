-- Trading went on after its scheduled end: allowed, and worth a look.
with markets as (

    select * from {{ ref('mbp_markets') }}

)

select *
from markets
where closed_at > closes_at
