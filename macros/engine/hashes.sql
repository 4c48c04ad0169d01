{#- What of a row is compared with another: 64 bits that are equal for equal columns (in type and value, null equal to null),
    or the columns, where an engine compares them in less time than it hashes them. Unequal columns share the bits once in
    2^64, so a rule may pass over rows by them, and never finds a row by them alone: what differs is compared as it is. -#}
{% macro row_content(columns) -%}{{ return(adapter.dispatch('row_content', 'mbp')(columns)) }}{%- endmacro %}
{#- Hashed twice: DuckDB adds the last column bit by bit, so sums would not tell two rows from those that exchanged its values. -#}
{% macro duckdb__row_content(columns) -%}hash(hash({{ columns | join(', ') }})) as content_hash{%- endmacro %}
{% macro postgres__row_content(columns) -%}{{ columns | join(', ') }}{%- endmacro %}
{#- Spark leaves out what is null: without the mark, a value that moves to another column would have the same hash. -#}
{% macro spark__row_content(columns) -%}
    xxhash64({% for column in columns %}{{ column }}, {{ column }} is null{{ ', ' if not loop.last }}{% endfor %}) as content_hash
{%- endmacro %}
{% macro default__row_content(columns) -%}{{ unsupported('row_content') }}{%- endmacro %}

{#- Whether two relations that have the row_content of these columns differ in it. -#}
{% macro content_differs(left, right, columns) -%}
    {{ return(adapter.dispatch('content_differs', 'mbp')(left, right, columns)) }}
{%- endmacro %}
{% macro postgres__content_differs(left, right, columns) -%}
    {% for column in columns %}{{ left }}.{{ column }} is distinct from {{ right }}.{{ column }}{{ ' or ' if not loop.last }}{% endfor %}
{%- endmacro %}
{% macro default__content_differs(left, right, columns) -%}
    {{ left }}.content_hash is distinct from {{ right }}.content_hash
{%- endmacro %}

{#- A key, or 32 bits of it where the engine joins and sorts these faster. PostgreSQL has statistics of the key alone, and
    without them plans for a handful of rows. Keys may share their bits (of 10 million, 23,000): what they find is compared
    by key again. -#}
{% macro compact_key(key) -%}{{ return(adapter.dispatch('compact_key', 'mbp')(key)) }}{%- endmacro %}
{% macro duckdb__compact_key(key) -%}cast(hash({{ key }}) >> 32 as uinteger){%- endmacro %}
{% macro postgres__compact_key(key) -%}{{ key }}{%- endmacro %}
{% macro spark__compact_key(key) -%}{{ key }}{%- endmacro %}
{% macro default__compact_key(key) -%}{{ unsupported('compact_key') }}{%- endmacro %}

{#- Query of the compact keys that several rows have, each at least once. DuckDB sorts 32 bits in less time than it groups. -#}
{% macro repeated_keys(relation, key) -%}{{ return(adapter.dispatch('repeated_keys', 'mbp')(relation, key)) }}{%- endmacro %}
{% macro duckdb__repeated_keys(relation, key) -%}
    select ordered.compact_key
    from (
        {#- The bits are computed before they are sorted: else the keys would be sorted with them. #}
        select
            keys.compact_key,
            lag(keys.compact_key) over (order by keys.compact_key) as previous_key
        from (select {{ compact_key(key) }} as compact_key from {{ relation }}) as keys
    ) as ordered
    where ordered.compact_key = ordered.previous_key
{%- endmacro %}
{% macro default__repeated_keys(relation, key) -%}
    select {{ compact_key(key) }} as compact_key
    from {{ relation }}
    group by {{ compact_key(key) }}
    having count(*) > 1
{%- endmacro %}

{#- Query of the parts of the keys (suspect_part) whose rows in `model` may not be the newest changes of `log`. DuckDB takes a
    256th of all keys as a part, counts the rows of each and adds up their contents: those of the log, less the changes that
    a newer one replaced, are those of the dataset. Other rows with the same count and sum would pass, once in 2^64. The other
    engines join both: a key whose every change has the content of every row published under it, and is no delete, passes. -#}
{% macro suspects(log, model, key, columns) -%}{{ return(adapter.dispatch('suspects', 'mbp')(log, model, key, columns)) }}{%- endmacro %}
{% macro duckdb__suspects(log, model, key, columns) -%}
    {%- set sources = [
        (1, log ~ ' where not is_deleted and ' ~ key ~ ' is not null'),
        (-1, model ~ ' where ' ~ key ~ ' is not null'),
        (-1, '(' ~ repeated_changes(log, key) ~ ') as repeated where recency > 1 and not is_deleted'),
    ] %}
    select sums.suspect_part
    from (
        {%- for sign, source in sources %}
        select
            rows_of.suspect_part,
            {{ sign }} * count(*) as row_count,
            {{ sign }} * sum(rows_of.content_hash) as content_sum
        from (select {{ suspect_part(key) }} as suspect_part, {{ row_content(columns) }} from {{ source }}) as rows_of
        group by rows_of.suspect_part
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as sums
    group by sums.suspect_part
    having sum(sums.row_count) <> 0 or sum(sums.content_sum) <> 0
{%- endmacro %}
{% macro default__suspects(log, model, key, columns) -%}
    select distinct coalesce(logged.compact_key, shown.compact_key) as suspect_part
    from (
        select
            {{ compact_key(key) }} as compact_key,
            {{ row_content(columns) }},
            is_deleted
        from {{ log }}
        where {{ key }} is not null
    ) as logged
    full outer join (
        select
            {{ compact_key(key) }} as compact_key,
            {{ row_content(columns) }}
        from {{ model }}
        where {{ key }} is not null
    ) as shown on logged.compact_key = shown.compact_key
    where
        {{ content_differs('logged', 'shown', columns) }}
        or logged.is_deleted is distinct from false
{%- endmacro %}

{#- Query of the changes of the keys that may have several, with their rank. -#}
{% macro repeated_changes(log, key) -%}
    select
        *,
        {{ newest_first(key) }} as recency
    from {{ log }}
    where {{ key }} is not null and {{ compact_key(key) }} in ({{ repeated_keys(log, key) }})
{%- endmacro %}

{#- The part of the keys that a key is in. -#}
{% macro suspect_part(key) -%}{{ return(adapter.dispatch('suspect_part', 'mbp')(key)) }}{%- endmacro %}
{% macro duckdb__suspect_part(key) -%}cast(hash({{ key }}) >> 56 as utinyint){%- endmacro %}
{% macro default__suspect_part(key) -%}{{ compact_key(key) }}{%- endmacro %}

{#- True for every row that shares its key with another one, and for few others: what is cheap to ask before rows are
    grouped by key. PostgreSQL counts in the order of the index, once for all rows. -#}
{% macro may_share_key(relation, key) -%}{{ return(adapter.dispatch('may_share_key', 'mbp')(relation, key)) }}{%- endmacro %}
{% macro duckdb__may_share_key(relation, key) -%}
    {{ compact_key(key) }} in ({{ repeated_keys(relation, key) }})
{%- endmacro %}
{% macro postgres__may_share_key(relation, key) -%}
    (select count({{ key }}) > count(distinct {{ key }}) from {{ relation }})
{%- endmacro %}
{% macro spark__may_share_key(relation, key) -%}true{%- endmacro %}
{% macro default__may_share_key(relation, key) -%}{{ unsupported('may_share_key') }}{%- endmacro %}

{#- CTE `ranked`: changes with the rank of newest_first and the first arrival of their key. Where engines skip blocks of a
    table by their minima and maxima, only keys with several changes are sorted: the others stay in the order of the log,
    in which they arrived. -#}
{% macro ranked_changes(changes, key) -%}{{ return(adapter.dispatch('ranked_changes', 'mbp')(changes, key)) }}{%- endmacro %}
{% macro duckdb__ranked_changes(changes, key) -%}
repeated as (

    {{ repeated_keys(changes, key) }}

),

ranked as (

    select
        *,
        1 as recency,
        loaded_at as first_loaded_at
    from {{ changes }}
    {#- Not `not exists`: DuckDB would first compute the distinct keys of all changes. #}
    where {{ compact_key(key) }} not in (select compact_key from repeated)

    union all

    select
        *,
        {{ newest_first(key) }} as recency,
        min(loaded_at) over (partition by {{ key }}) as first_loaded_at
    from {{ changes }}
    where {{ compact_key(key) }} in (select compact_key from repeated)

)
{%- endmacro %}
{% macro default__ranked_changes(changes, key) -%}
ranked as (

    select
        *,
        {{ newest_first(key) }} as recency,
        min(loaded_at) over (partition by {{ key }}) as first_loaded_at
    from {{ changes }}

)
{%- endmacro %}
