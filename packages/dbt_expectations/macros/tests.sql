{#- The tests that this project uses, under the names and arguments of the public package (upstream.yml). -#}

{% test expect_column_values_to_be_between(
    model, column_name, min_value=None, max_value=None, row_condition=None, strictly=False
) %}
{{ dbt_expectations.failing_rows(
    model,
    dbt_expectations.outside_bounds(column_name, min_value, max_value, strictly),
    row_condition
) }}
{% endtest %}

{#- Lengths count characters, not bytes; a null has no length and passes. -#}
{% test expect_column_value_lengths_to_be_between(
    model, column_name, min_value=None, max_value=None, row_condition=None, strictly=False
) %}
{{ dbt_expectations.failing_rows(
    model,
    dbt_expectations.outside_bounds(dbt.length(column_name) | trim, min_value, max_value, strictly),
    row_condition
) }}
{% endtest %}

{#- A null passes. `is_raw` is part of the interface: a backslash is a backslash on the engines here, raw or not. -#}
{% test expect_column_values_to_match_regex(
    model, column_name, regex, row_condition=None, is_raw=False, flags=""
) %}
{{ dbt_expectations.failing_rows(
    model, 'not (' ~ dbt_expectations.regex_found(column_name, regex, flags) ~ ')', row_condition
) }}
{% endtest %}

{% test expect_column_pair_values_A_to_be_greater_than_B(
    model, column_A, column_B, or_equal=False, row_condition=None
) %}
{{ dbt_expectations.failing_rows(
    model, column_A ~ (' < ' if or_equal else ' <= ') ~ column_B, row_condition
) }}
{% endtest %}

{% test expect_table_row_count_to_be_between(
    model, min_value=None, max_value=None, group_by=None, row_condition=None, strictly=False
) %}
{{ dbt_expectations.failing_groups(
    model,
    'count(*)',
    dbt_expectations.outside_bounds('count(*)', min_value, max_value, strictly),
    group_by,
    row_condition
) }}
{% endtest %}
