{#- dbt's own column tests return the one column, and a value once however many rows have it. Ours return the
    whole rows: findings count rows, and those shown can be found again. Same names, arguments and verdicts. -#}
{% macro default__test_not_null(model, column_name) %}

with checked as (

    select * from {{ model }}

)

select *
from checked
where {{ column_name }} is null

{% endmacro %}

{% macro default__test_relationships(model, column_name, to, field) %}

with child as (

    select * from {{ model }}

),

parent as (

    select {{ field }} from {{ referred_rows(to, field, 'child', column_name) }}

)

select child.*
from child
left join parent on child.{{ column_name }} = parent.{{ field }}
where child.{{ column_name }} is not null and parent.{{ field }} is null

{% endmacro %}

{% macro default__test_accepted_values(model, column_name, values, quote=true) %}

with checked as (

    select * from {{ model }}

)

select *
from checked
where
    {{ column_name }} not in (
        {%- for value in values -%}
        {{ dbt_expectations.text_literal(value) if quote else value }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    )

{% endmacro %}

{% macro default__test_unique(model, column_name) %}

with checked as (

    select * from {{ model }}

),

repeated as (

    select {{ column_name }}
    from {{ model }}
    where
        {{ column_name }} is not null
        and {{ may_share_key(model, column_name) }}
    group by {{ column_name }}
    having count(*) > 1

)

select *
from checked
where {{ column_name }} in (select {{ column_name }} from repeated)

{% endmacro %}
