select
    cast(id as integer) as id,
    cast(grp as {{ dbt.type_string() }}) as grp,
    cast(amount as decimal(18, 8)) as amount,
    cast(other as decimal(18, 8)) as other
from (
    values
    (1, 'a', 1.0, 1.0),
    (2, 'a', 2.0, 1.0),
    (3, 'a', 3.0, 4.0),
    (4, 'b', 0.0, null),
    (5, 'b', 10.0, 10.0),
    (6, 'b', null, 5.0)
) as listed (id, grp, amount, other)
