{#- Strings. Lengths count characters, not bytes; a null has neither length nor match and passes.
    `is_raw` is part of the interface: a backslash is a backslash on the engines here, raw or not. -#}

{% test expect_column_value_lengths_to_be_between(
    model, column_name, min_value=None, max_value=None, row_condition=None, strictly=False
) %}
{{ dbt_expectations.failing_rows(
    model,
    dbt_expectations.outside_bounds(dbt.length(column_name) | trim, min_value, max_value, strictly),
    row_condition
) }}
{% endtest %}

{% test expect_column_value_lengths_to_equal(model, column_name, value, row_condition=None) %}
{{ dbt_expectations.failing_rows(
    model, (dbt.length(column_name) | trim) ~ ' <> ' ~ value, row_condition
) }}
{% endtest %}

{% test expect_column_values_to_match_regex(
    model, column_name, regex, row_condition=None, is_raw=False, flags=""
) %}
{{ dbt_expectations.failing_rows(
    model, 'not (' ~ dbt_expectations.regex_found(column_name, regex, flags) ~ ')', row_condition
) }}
{% endtest %}

{% test expect_column_values_to_not_match_regex(
    model, column_name, regex, row_condition=None, is_raw=False, flags=""
) %}
{{ dbt_expectations.failing_rows(
    model, dbt_expectations.regex_found(column_name, regex, flags), row_condition
) }}
{% endtest %}

{% test expect_column_values_to_match_regex_list(
    model,
    column_name,
    regex_list,
    match_on="any",
    row_condition=None,
    is_raw=False,
    flags=""
) %}
{{ dbt_expectations.failing_rows(
    model,
    'not (' ~ dbt_expectations.any_or_all(
        dbt_expectations.regexes_found(column_name, regex_list, flags), match_on
    ) ~ ')',
    row_condition
) }}
{% endtest %}

{#- `any`: a row fails when every pattern is found (it is enough that one is not); `all`: a row fails
    as soon as one is found. So the public package has it. -#}
{% test expect_column_values_to_not_match_regex_list(
    model,
    column_name,
    regex_list,
    match_on="any",
    row_condition=None,
    is_raw=False,
    flags=""
) %}
{{ dbt_expectations.failing_rows(
    model,
    dbt_expectations.any_or_all(
        dbt_expectations.regexes_found(column_name, regex_list, flags),
        'any' if match_on == 'all' else 'all'
    ),
    row_condition
) }}
{% endtest %}

{% macro regexes_found(column_name, regex_list, flags='') -%}
    {%- do dbt_expectations.require_list('regex_list', regex_list, required=true) -%}
    {%- set found = [] -%}
    {%- for regex in regex_list -%}
        {%- do found.append(dbt_expectations.regex_found(column_name, regex, flags)) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{% macro any_or_all(conditions, match_on) -%}
    {{ return('(' ~ conditions | join(') and (' if match_on == 'all' else ') or (') ~ ')') }}
{%- endmacro %}
