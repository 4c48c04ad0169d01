{#- Values of one column, row by row: a null passes every test that does not speak of nulls. -#}

{% test expect_column_values_to_be_between(
    model, column_name, min_value=None, max_value=None, row_condition=None, strictly=False
) %}
{{ dbt_expectations.failing_rows(
    model,
    dbt_expectations.outside_bounds(column_name, min_value, max_value, strictly),
    row_condition
) }}
{% endtest %}
