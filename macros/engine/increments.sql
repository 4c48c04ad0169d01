{#- Whether a table can lose rows that an increment replaces. Parquet files cannot: there a model that is built in
    increments elsewhere is rebuilt, so it never holds rows that its source no longer has. (docs/scale.md: what
    Iceberg would change.) -#}
{% macro rows_can_be_replaced() -%}{{ return(adapter.dispatch('rows_can_be_replaced', 'mbp')()) }}{%- endmacro %}
{% macro duckdb__rows_can_be_replaced() -%}{{ return(true) }}{%- endmacro %}
{% macro postgres__rows_can_be_replaced() -%}{{ return(true) }}{%- endmacro %}
{% macro spark__rows_can_be_replaced() -%}{{ return(false) }}{%- endmacro %}
{% macro default__rows_can_be_replaced() -%}{{ unsupported('rows_can_be_replaced') }}{%- endmacro %}

{#- dbt's own, where increments are possible at all. -#}
{% macro is_incremental() -%}
    {{- return(rows_can_be_replaced() and dbt.is_incremental()) -}}
{%- endmacro %}
