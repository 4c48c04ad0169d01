{#- Values of one column, row by row. The failing rows come whole; of `unique` the repeated values. -#}

{% test expect_column_values_to_not_be_null(model, column_name, row_condition=None) %}
{{ dbt_expectations.failing_rows(model, column_name ~ ' is null', row_condition) }}
{% endtest %}

{% test expect_column_values_to_be_null(model, column_name, row_condition=None) %}
{{ dbt_expectations.failing_rows(model, column_name ~ ' is not null', row_condition) }}
{% endtest %}

{% test expect_column_values_to_be_unique(model, column_name, row_condition=None) %}
{{ dbt_expectations.repeated_keys(
    model, [column_name], 'all_values_are_missing', row_condition
) }}
{% endtest %}

{% test expect_column_values_to_be_between(
    model, column_name, min_value=None, max_value=None, row_condition=None, strictly=False
) %}
{{ dbt_expectations.failing_rows(
    model,
    dbt_expectations.outside_bounds(column_name, min_value, max_value, strictly),
    row_condition
) }}
{% endtest %}

{#- A null is in no set, so it fails here (as in the public package). -#}
{% test expect_column_values_to_be_in_set(
    model, column_name, value_set, quote_values=True, row_condition=None
) %}
    {%- set values = dbt_expectations.value_list(value_set, quote_values) -%}
{{ dbt_expectations.failing_rows(
    model,
    column_name ~ ' is null or ' ~ column_name ~ ' not in (' ~ values ~ ')',
    row_condition
) }}
{% endtest %}

{% test expect_column_values_to_not_be_in_set(
    model, column_name, value_set, quote_values=True, row_condition=None
) %}
    {%- set values = dbt_expectations.value_list(value_set, quote_values) -%}
{{ dbt_expectations.failing_rows(
    model, column_name ~ ' in (' ~ values ~ ')', row_condition
) }}
{% endtest %}

{% test expect_column_values_to_be_increasing(
    model,
    column_name,
    sort_column=None,
    strictly=True,
    row_condition=None,
    group_by=None,
    step=None
) %}
{{ dbt_expectations.steps_against_order(
    model,
    column_name,
    sort_column,
    '<=' if strictly else '<',
    row_condition,
    group_by,
    step
) }}
{% endtest %}

{% test expect_column_values_to_be_decreasing(
    model,
    column_name,
    sort_column=None,
    strictly=True,
    row_condition=None,
    group_by=None,
    step=None
) %}
{{ dbt_expectations.steps_against_order(
    model,
    column_name,
    sort_column,
    '>=' if strictly else '>',
    row_condition,
    group_by,
    -step if step else None
) }}
{% endtest %}

{#- Whole rows, with `previous_value`, whose value stands to that of the row before as `wrong` says, or
    is not exactly `step` away from it. A null on either side is no step. -#}
{% macro steps_against_order(
    model, column_name, sort_column, wrong, row_condition=None, group_by=None, step=None
) -%}
    {%- do dbt_expectations.require_list('group_by', group_by) -%}
select *
from (
    select
        *,
        lag({{ column_name }}) over (
            {% if group_by -%}
            partition by {{ group_by | join(', ') }}
            {% endif -%}
            order by {{ sort_column or column_name }}
        ) as previous_value
    from {{ model }}
    {% if row_condition -%}
    where
        {{ row_condition }}
    {% endif -%}
) as ordered
where
    {{ column_name }} {{ wrong }} previous_value
    {%- if step %}
    or {{ column_name }} - previous_value <> {{ step }}
    {%- endif %}
{%- endmacro %}
