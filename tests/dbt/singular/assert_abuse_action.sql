-- A flag of high severity is acted upon: the market is paused or the user limited.
with abuse_events as (

    select * from {{ ref('mbp_abuse_events') }}

)

select *
from abuse_events
where severity = 'high' and action_taken = 'alert_only'
