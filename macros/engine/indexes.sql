{#- Indexes for engines that live by them. DuckDB skips blocks by their minima and maxima; an index
    over ten million text keys would cost more there than the model itself. -#}
{% macro indexes_where_useful(indexes) -%}
    {{- return(indexes if target.type == 'postgres' else []) -}}
{%- endmacro %}
