{#- Strings. Lengths count characters, not bytes; a null string has neither length nor match and passes. -#}

{% test expect_column_value_lengths_to_be_between(
    model, column_name, min_value=None, max_value=None, row_condition=None, strictly=False
) %}
{{ dbt_expectations.failing_rows(
    model,
    dbt_expectations.outside_bounds('length(' ~ column_name ~ ')', min_value, max_value, strictly),
    row_condition
) }}
{% endtest %}

{% test expect_column_values_to_match_regex(
    model, column_name, regex, row_condition=None, is_raw=False, flags=""
) %}
{{ dbt_expectations.failing_rows(
    model, 'not (' ~ dbt_expectations.regex_found(column_name, regex, flags) ~ ')', row_condition
) }}
{% endtest %}
