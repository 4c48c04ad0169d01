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
