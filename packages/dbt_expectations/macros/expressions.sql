{#- `expression_is_true` and `expression_between`, on which the public interface builds most of its
    tests, as macros (for tests of one's own) and as tests. -#}

{% test expression_is_true(
    model, expression, test_condition="= true", group_by_columns=None, row_condition=None
) %}
{{ dbt_expectations.expression_is_true(
    model, expression, test_condition, group_by_columns, row_condition
) }}
{% endtest %}

{% macro expression_is_true(
    model, expression, test_condition="= true", group_by_columns=None, row_condition=None
) -%}
    {#- Without `= true` the engine sees the comparison itself and can use its statistics. -#}
    {%- set holds = '(' ~ expression ~ ')' -%}
    {%- if test_condition | replace(' ', '') | lower != '=true' -%}
        {%- set holds = '(' ~ holds ~ ' ' ~ test_condition ~ ')' -%}
    {%- endif -%}
    {%- set kind = 'aggregate' if group_by_columns else dbt_expectations.expression_kind(expression) -%}
    {%- if kind == 'row' -%}
        {{ dbt_expectations.failing_rows(model, 'not ' ~ holds, row_condition) }}
    {%- elif kind == 'aggregate' -%}
        {{ dbt_expectations.failing_groups(
            model, '(' ~ expression ~ ')', 'not ' ~ holds, group_by_columns, row_condition
        ) }}
    {%- else -%}
select *
from (
    select
        *,
        {{ holds }} as expression_holds
    from {{ model }}
    {% if row_condition -%}
    where
        {{ row_condition }}
    {% endif -%}
) as evaluated
where not expression_holds
    {%- endif -%}
{%- endmacro %}

{% test expression_between(
    model,
    expression,
    min_value=None,
    max_value=None,
    group_by_columns=None,
    row_condition=None,
    strictly=False
) %}
{{ dbt_expectations.expression_between(
    model, expression, min_value, max_value, group_by_columns, row_condition, strictly
) }}
{% endtest %}

{% macro expression_between(
    model,
    expression,
    min_value=None,
    max_value=None,
    group_by_columns=None,
    row_condition=None,
    strictly=False
) -%}
    {%- set violation = dbt_expectations.outside_bounds(expression, min_value, max_value, strictly) -%}
    {%- if group_by_columns or dbt_expectations.expression_kind(expression) == 'aggregate' -%}
        {{ dbt_expectations.failing_groups(
            model, expression, violation, group_by_columns, row_condition
        ) }}
    {%- else -%}
        {{ dbt_expectations.expression_is_true(
            model, 'not (' ~ violation ~ ')', row_condition=row_condition
        ) if dbt_expectations.expression_kind(expression) == 'window'
        else dbt_expectations.failing_rows(model, violation, row_condition) }}
    {%- endif -%}
{%- endmacro %}

{#- True where a value lies outside its bounds, null where it is null. Bounds belong to the allowed
    range, unless `strictly`. -#}
{% macro outside_bounds(expression, min_value=None, max_value=None, strictly=False) -%}
    {%- if min_value is none and max_value is none -%}
        {{ exceptions.raise_compiler_error(
            'expected min_value, max_value or both for ' ~ expression ~ ': give at least one bound'
        ) }}
    {%- endif -%}
    {%- set equal = '=' if strictly else '' -%}
    {%- set parts = [] -%}
    {%- if min_value is not none -%}
        {%- do parts.append(expression ~ ' <' ~ equal ~ ' ' ~ min_value) -%}
    {%- endif -%}
    {%- if max_value is not none -%}
        {%- do parts.append(expression ~ ' >' ~ equal ~ ' ' ~ max_value) -%}
    {%- endif -%}
    {{ return(parts | join(' or ')) }}
{%- endmacro %}
