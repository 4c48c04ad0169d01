select * from {{ ref('events') }} where 1 = 0
