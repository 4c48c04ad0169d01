-- 6 is two lines, 7 has letters of two bytes
select
    cast(id as integer) as id,
    cast(word as {{ dbt.type_string() }}) as word
from (
    values
    (1, 'abc'),
    (2, 'ABC'),
    (3, 'abcd'),
    (4, ''),
    (5, null),
    (6, 'a' || chr(10) || 'b'),
    (7, 'ação'),
    (8, 'it''s')
) as listed (id, word)
