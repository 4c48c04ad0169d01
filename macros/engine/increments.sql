{#- Whether a table can lose rows that an increment replaces. Parquet files cannot: there a model that is built in
    increments elsewhere is rebuilt, so it never holds rows that its source no longer has. (docs/scale.md: what
    Iceberg would change.) -#}
{% macro rows_can_be_replaced() -%}{{ return(adapter.dispatch('rows_can_be_replaced', 'mbp')()) }}{%- endmacro %}
{% macro duckdb__rows_can_be_replaced() -%}{{ return(true) }}{%- endmacro %}
{% macro postgres__rows_can_be_replaced() -%}{{ return(true) }}{%- endmacro %}
{% macro spark__rows_can_be_replaced() -%}{{ return(false) }}{%- endmacro %}
{% macro default__rows_can_be_replaced() -%}{{ unsupported('rows_can_be_replaced') }}{%- endmacro %}

{#- dbt's, which searches the whole table for the rows to replace. A model whose meta names its column `first_arrival` has
    them only since the earliest of these. Engines with an index of the key need no help. -#}
{% macro duckdb__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) -%}
    {%- set first_arrival = (config.get('meta') or {}).get('first_arrival') -%}
    {%- if first_arrival -%}
    {{ forget_since(
        target, unique_key, 'select ' ~ unique_key ~ ' from ' ~ source, 'loaded_at',
        'select min(' ~ first_arrival ~ ') from ' ~ source
    ) }}
    {%- set unique_key = none -%}
    {%- endif %}
    {{ dbt.duckdb__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) }}
{%- endmacro %}

{#- The greatest value of a column, as an expression. DuckDB takes a maximum from its statistics only where no row was ever
    deleted; the first of an order it finds by the minima and maxima of blocks. Others have an index. -#}
{% macro newest_of(column, relation) -%}{{ return(adapter.dispatch('newest_of', 'mbp')(column, relation)) }}{%- endmacro %}
{% macro duckdb__newest_of(column, relation) -%}
    (select {{ column }} from {{ relation }} where {{ column }} is not null order by {{ column }} desc limit 1)
{%- endmacro %}
{% macro default__newest_of(column, relation) -%}(select max({{ column }}) from {{ relation }}){%- endmacro %}

{#- dbt's own, where increments are possible at all. -#}
{% macro is_incremental() -%}
    {{- return(rows_can_be_replaced() and dbt.is_incremental()) -}}
{%- endmacro %}
