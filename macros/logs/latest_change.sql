{#- The change in force of every key of a change log, with the columns that the rendered properties of this model list. A
    deleted row stays. While dbt parses, and in a unit test, no properties are known: all columns then. What a table in the
    order of arrival knew of these keys has arrived since the least `first_loaded_at` of them: engines skip what is older. -#}
{% macro latest_change(staging, key) -%}
{%- set columns = (model.get('columns') or ['*']) | list -%}
{%- set adds = config.get('materialized') == 'incremental' and is_incremental() -%}
{%- set floor = arrival_floor('select ' ~ newest_of('loaded_at', this) ~ ' as newest') if adds else none -%}
{%- set changes = '(select * from ' ~ ref(staging) ~ ' ' ~ where_arrived_since(floor) ~ ') as changes' -%}
with {{ ranked_changes(changes, key) }},

newest as (

    select
        {{ columns | join(',\n        ') }}
    from ranked
    where recency = 1

)

{% if not adds -%}
select newest.* from newest
{%- else -%}
select
    {%- for column in columns if column != 'first_loaded_at' %}
    newest.{{ column }},
    {%- endfor %}
    least(newest.first_loaded_at, applied.first_loaded_at) as first_loaded_at
from newest
-- an older change that arrives late, or one delivered again, must not undo a newer one
left join {{ this }} as applied on newest.{{ key }} = applied.{{ key }}
where applied.{{ key }} is null or newest.log_position > applied.log_position
{%- endif %}
{%- endmacro %}
