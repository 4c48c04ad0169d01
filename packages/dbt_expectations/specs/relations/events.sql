-- `fresh` also has an old row, `stale` also one of the future, `future` nothing else
select
    cast(source as {{ dbt.type_string() }}) as source,
    current_timestamp + hours * interval '1 hour' as happened_at,
    cast(current_timestamp + hours * interval '1 hour' as date) as happened_on
from (
    values
    ('fresh', -1),
    ('fresh', -720),
    ('stale', -72),
    ('stale', 24),
    ('future', 48),
    (null, -72)
) as listed (source, hours)
