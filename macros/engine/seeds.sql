{#- dbt calls this for a seed that is there already. Other columns than those of its table need a new table: a branch may
    have other seeds than the one that filled the warehouse. -#}
{% macro reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
    {%- set there = adapter.get_columns_in_relation(old_relation) | map(attribute='name') | list -%}
    {%- set anew = full_refresh or there != agate_table.column_names | map('string') | list -%}
    {{- return(adapter.dispatch('reset_csv_table', 'dbt')(model, anew, old_relation, agate_table)) -}}
{%- endmacro %}
