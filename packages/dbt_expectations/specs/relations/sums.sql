-- ten groups of 1 and one of 100, which is 3.015 deviations from the mean
select
    cast(grp as integer) as grp,
    cast(case when grp = 11 then 50 else 0.5 end as decimal(18, 8)) as amount
from (
    values (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11),
    (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11)
) as listed (grp)
