select
    cast(grp as {{ dbt.type_string() }}) as grp,
    cast(position as integer) as position,
    cast(value as integer) as value
from (
    values
    ('a', 1, 1),
    ('a', 2, 2),
    ('a', 3, 2),
    ('a', 4, 5),
    ('b', 1, 9),
    ('b', 2, null),
    ('b', 3, 3),
    ('c', 1, 3),
    ('c', 2, 2),
    ('c', 3, 1)
) as listed (grp, position, value)
