{#- 64 bits that are equal for equal columns (in type and value, null equal to null). Unequal columns share them once in
    2^64, so a rule may pass over rows by them, and never finds a row by them alone: what differs is compared as it is. -#}
{% macro row_hash(columns) -%}{{ return(adapter.dispatch('row_hash', 'mbp')(columns)) }}{%- endmacro %}
{% macro duckdb__row_hash(columns) -%}hash({{ columns | join(', ') }}){%- endmacro %}
{% macro postgres__row_hash(columns) -%}hash_record_extended(row({{ columns | join(', ') }}), 0){%- endmacro %}
{#- Spark leaves out what is null: without the mark, a value that moves to another column would have the same hash. -#}
{% macro spark__row_hash(columns) -%}
    xxhash64({% for column in columns %}{{ column }}, {{ column }} is null{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}
{% macro default__row_hash(columns) -%}{{ unsupported('row_hash') }}{%- endmacro %}

{#- A key, or 64 bits of it where the engine joins and groups these faster. PostgreSQL has statistics of the key alone, and
    without them plans for a handful of rows. Keys may share their bits: what they find is compared by key again. -#}
{% macro compact_key(key) -%}{{ return(adapter.dispatch('compact_key', 'mbp')(key)) }}{%- endmacro %}
{% macro duckdb__compact_key(key) -%}hash({{ key }}){%- endmacro %}
{% macro postgres__compact_key(key) -%}{{ key }}{%- endmacro %}
{% macro spark__compact_key(key) -%}{{ key }}{%- endmacro %}
{% macro default__compact_key(key) -%}{{ unsupported('compact_key') }}{%- endmacro %}

{#- CTE `ranked`: changes with the rank of newest_first and the first arrival of their key. Where engines skip blocks of a table by their minima and maxima, only
    keys with several changes are sorted: the others stay in the order of the log, in which they arrived. -#}
{% macro ranked_changes(changes, key) -%}{{ return(adapter.dispatch('ranked_changes', 'mbp')(changes, key)) }}{%- endmacro %}
{% macro duckdb__ranked_changes(changes, key) -%}
repeated as (

    select {{ compact_key(key) }} as key_hash
    from {{ changes }}
    group by {{ compact_key(key) }}
    having count(*) > 1

),

ranked as (

    select
        *,
        1 as recency,
        loaded_at as first_loaded_at
    from {{ changes }}
    where not exists (select 1 from repeated where repeated.key_hash = {{ compact_key('changes.' ~ key) }})

    union all

    select
        *,
        {{ newest_first(key) }} as recency,
        min(loaded_at) over (partition by {{ key }}) as first_loaded_at
    from {{ changes }}
    where {{ compact_key(key) }} in (select key_hash from repeated)

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
