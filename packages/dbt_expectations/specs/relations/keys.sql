select
    cast(a as integer) as a,
    cast(b as {{ dbt.type_string() }}) as b
from (
    values
    (1, 'x'),
    (1, 'x'),
    (1, null),
    (1, null),
    (null, null),
    (null, null),
    (2, 'y'),
    (3, 'x')
) as listed (a, b)
