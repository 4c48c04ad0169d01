{#- The change in force of every key of a change log, with the columns that the rendered properties of this model list. A
    deleted row stays. While dbt parses, and in a unit test, no properties are known: all columns then. -#}
{% macro latest_change(staging, key) -%}
{%- set columns = (model.get('columns') or ['*']) | join(',\n        ') -%}
{%- set adds = config.get('materialized') == 'incremental' and is_incremental() -%}
{%- set floor = arrival_floor('select max(loaded_at) as newest from ' ~ this) if adds else none -%}
{%- set changes = '(select * from ' ~ ref(staging) ~ ' ' ~ where_arrived_since(floor) ~ ') as changes' -%}
with {{ ranked_changes(changes, key) }},

newest as (

    select
        {{ columns }}
    from ranked
    where recency = 1

)

select newest.* from newest
{%- if adds %}
-- an older change that arrives late, or one delivered again, must not undo a newer one
left join {{ this }} as applied on newest.{{ key }} = applied.{{ key }}
where applied.{{ key }} is null or newest.log_position > applied.log_position
{%- endif %}
{%- endmacro %}
