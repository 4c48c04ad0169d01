{#- dbt's own not_null and relationships tests return the one column. Ours return the whole row, so that
    the rows shown for a failing rule can be found again. Same names, arguments and verdicts. -#}
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

    select {{ field }} from {{ to }}

)

select child.*
from child
left join parent on child.{{ column_name }} = parent.{{ field }}
where child.{{ column_name }} is not null and parent.{{ field }} is null

{% endmacro %}
