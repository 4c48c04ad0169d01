{#- One number of a column (per group, if there are groups) against its bounds. Nulls are left out, as
    SQL's aggregates do; the number of no values at all is null (a count: 0) and null passes. -#}

{% test expect_column_max_to_be_between(
    model,
    column_name,
    min_value=None,
    max_value=None,
    group_by=None,
    row_condition=None,
    strictly=False
) %}
{{ dbt_expectations.aggregate_between(
    model,
    'max(' ~ column_name ~ ')',
    min_value,
    max_value,
    group_by,
    row_condition,
    strictly
) }}
{% endtest %}

{% test expect_column_mean_to_be_between(
    model,
    column_name,
    min_value=None,
    max_value=None,
    group_by=None,
    row_condition=None,
    strictly=False
) %}
{{ dbt_expectations.aggregate_between(
    model,
    'avg(' ~ column_name ~ ')',
    min_value,
    max_value,
    group_by,
    row_condition,
    strictly
) }}
{% endtest %}

{% test expect_column_median_to_be_between(
    model,
    column_name,
    min_value=None,
    max_value=None,
    group_by=None,
    row_condition=None,
    strictly=False
) %}
{{ dbt_expectations.aggregate_between(
    model,
    dbt_expectations.quantile_of(column_name, 0.5),
    min_value,
    max_value,
    group_by,
    row_condition,
    strictly
) }}
{% endtest %}

{% test expect_column_min_to_be_between(
    model,
    column_name,
    min_value=None,
    max_value=None,
    group_by=None,
    row_condition=None,
    strictly=False
) %}
{{ dbt_expectations.aggregate_between(
    model,
    'min(' ~ column_name ~ ')',
    min_value,
    max_value,
    group_by,
    row_condition,
    strictly
) }}
{% endtest %}

{% test expect_column_quantile_values_to_be_between(
    model,
    column_name,
    quantile,
    min_value=None,
    max_value=None,
    group_by=None,
    row_condition=None,
    strictly=False
) %}
{{ dbt_expectations.aggregate_between(
    model,
    dbt_expectations.quantile_of(column_name, quantile),
    min_value,
    max_value,
    group_by,
    row_condition,
    strictly
) }}
{% endtest %}

{% test expect_column_stdev_to_be_between(
    model,
    column_name,
    min_value=None,
    max_value=None,
    group_by=None,
    row_condition=None,
    strictly=False
) %}
{{ dbt_expectations.aggregate_between(
    model,
    'stddev_samp(' ~ column_name ~ ')',
    min_value,
    max_value,
    group_by,
    row_condition,
    strictly
) }}
{% endtest %}

{% test expect_column_sum_to_be_between(
    model,
    column_name,
    min_value=None,
    max_value=None,
    group_by=None,
    row_condition=None,
    strictly=False
) %}
{{ dbt_expectations.aggregate_between(
    model,
    'sum(' ~ column_name ~ ')',
    min_value,
    max_value,
    group_by,
    row_condition,
    strictly
) }}
{% endtest %}

{% test expect_column_unique_value_count_to_be_between(
    model,
    column_name,
    min_value=None,
    max_value=None,
    group_by=None,
    row_condition=None,
    strictly=False
) %}
{{ dbt_expectations.aggregate_between(
    model,
    'count(distinct ' ~ column_name ~ ')',
    min_value,
    max_value,
    group_by,
    row_condition,
    strictly
) }}
{% endtest %}

{% test expect_column_proportion_of_unique_values_to_be_between(
    model,
    column_name,
    min_value=None,
    max_value=None,
    group_by=None,
    row_condition=None,
    strictly=False
) %}
{{ dbt_expectations.aggregate_between(
    model,
    'count(distinct ' ~ column_name ~ ') * 1.0 / nullif(count(' ~ column_name ~ '), 0)',
    min_value,
    max_value,
    group_by,
    row_condition,
    strictly
) }}
{% endtest %}

{% macro aggregate_between(
    model, expression, min_value, max_value, group_by, row_condition, strictly
) -%}
    {{ dbt_expectations.failing_groups(
        model,
        expression,
        dbt_expectations.outside_bounds(expression, min_value, max_value, strictly),
        group_by,
        row_condition
    ) }}
{%- endmacro %}

{% test expect_column_distinct_count_to_equal(
    model, column_name, value, group_by=None, row_condition=None
) %}
    {%- set distinct_count = 'count(distinct ' ~ column_name ~ ')' -%}
{{ dbt_expectations.failing_groups(
    model, distinct_count, distinct_count ~ ' <> ' ~ value, group_by, row_condition
) }}
{% endtest %}

{% test expect_column_distinct_count_to_be_greater_than(
    model, column_name, value, group_by=None, row_condition=None
) %}
    {%- set distinct_count = 'count(distinct ' ~ column_name ~ ')' -%}
{{ dbt_expectations.failing_groups(
    model, distinct_count, distinct_count ~ ' <= ' ~ value, group_by, row_condition
) }}
{% endtest %}

{% test expect_column_distinct_count_to_be_less_than(
    model, column_name, value, group_by=None, row_condition=None
) %}
    {%- set distinct_count = 'count(distinct ' ~ column_name ~ ')' -%}
{{ dbt_expectations.failing_groups(
    model, distinct_count, distinct_count ~ ' >= ' ~ value, group_by, row_condition
) }}
{% endtest %}
