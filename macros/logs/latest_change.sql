{#- The change in force of every key of `table`, with the columns that the rendered properties of its model list. A deleted
    row stays. While dbt parses, and in a unit test, no properties are known: all columns then. -#}
{% macro latest_change(table, key) -%}
{%- set model_id = 'model.' ~ project_name ~ '.int_mbp__' ~ table ~ '_latest' -%}
{%- set properties = (graph or {}).get('nodes', {}).get(model_id, {}) -%}
with changes as (

    select * from {{ ref('stg_mbp__' ~ table) }}

),

ranked as (

    select
        *,
        {{ newest_first(key) }} as recency
    from changes

),

final as (

    select
        {{ (properties.get('columns') or ['*']) | join(',\n        ') }}
    from ranked
    where recency = 1

)

select * from final
{%- endmacro %}
