-- Trading went on after its scheduled end: allowed, and to be checked by its reader.
with markets as (

    select * from {{ ref('mbp_markets') }}

)

select *
from markets
where closed_at > closes_at
