{#- Indexes for engines that live by them. DuckDB skips blocks by their minima and maxima; an index
    over ten million text keys would cost more there than the model itself. -#}
{% macro indexes_where_useful(indexes) -%}
    {{- return(indexes if target.type == 'postgres' else []) -}}
{%- endmacro %}

{#- Post-hook: an index of the few rows that meet `predicate`, for a rule that asks for them among all rows, with the
    same words. dbt has no config for it. It comes with a new table and stays; engines that read such rows from the
    minima and maxima of their blocks have none. -#}
{% macro index_of_exceptions(relation, columns, predicate) -%}
    {%- if target.type == 'postgres' and not is_incremental() -%}
    create index on {{ relation }} ({{ columns }}) where {{ predicate }}
    {%- endif -%}
{%- endmacro %}
