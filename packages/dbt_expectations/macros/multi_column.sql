{#- Several columns of one row, and keys of several columns. -#}

{% test expect_column_pair_values_A_to_be_greater_than_B(
    model, column_A, column_B, or_equal=False, row_condition=None
) %}
{{ dbt_expectations.failing_rows(
    model, column_A ~ (' < ' if or_equal else ' <= ') ~ column_B, row_condition
) }}
{% endtest %}

{% test expect_column_pair_values_to_be_equal(model, column_A, column_B, row_condition=None) %}
{{ dbt_expectations.failing_rows(model, column_A ~ ' <> ' ~ column_B, row_condition) }}
{% endtest %}

{#- The values stand as they are written: a text brings its quotes along. -#}
{% test expect_column_pair_values_to_be_in_set(
    model, column_A, column_B, value_pairs_set, row_condition=None
) %}
    {%- do dbt_expectations.require_list('value_pairs_set', value_pairs_set, required=true) -%}
    {%- set pairs = [] -%}
    {%- for pair in value_pairs_set -%}
        {%- if pair is string or pair | length != 2 -%}
            {{ exceptions.raise_compiler_error(
                'value_pairs_set: expected lists of two values, found ' ~ pair
            ) }}
        {%- endif -%}
        {%- do pairs.append(
            '(' ~ column_A ~ ' = ' ~ pair[0] ~ ' and ' ~ column_B ~ ' = ' ~ pair[1] ~ ')'
        ) -%}
    {%- endfor -%}
{{ dbt_expectations.failing_rows(model, 'not (' ~ pairs | join(' or ') ~ ')', row_condition) }}
{% endtest %}

{% test expect_compound_columns_to_be_unique(
    model,
    column_list,
    quote_columns=False,
    ignore_row_if="all_values_are_missing",
    row_condition=None
) %}
    {%- do dbt_expectations.require_list('column_list', column_list, required=true) -%}
    {%- set columns = [] -%}
    {%- for column in column_list -%}
        {%- do columns.append(adapter.quote(column) if quote_columns else column) -%}
    {%- endfor -%}
{{ dbt_expectations.repeated_keys(model, columns, ignore_row_if, row_condition) }}
{% endtest %}

{#- One row per key that occurs more than once, with its number of rows. Two nulls are the same value. -#}
{% macro repeated_keys(model, columns, ignore_row_if, row_condition=None) -%}
    {%- if ignore_row_if not in ['all_values_are_missing', 'any_value_is_missing'] -%}
        {{ exceptions.raise_compiler_error(
            "ignore_row_if: expected all_values_are_missing or any_value_is_missing, found '"
            ~ ignore_row_if ~ "'"
        ) }}
    {%- endif -%}
    {%- set ignoring = ' and ' if ignore_row_if == 'any_value_is_missing' else ' or ' -%}
select
    {{ columns | join(',\n    ') }},
    count(*) as n_records
from {{ model }}
where
    {% if row_condition -%}
    ({{ row_condition }})
    and {% endif -%}
    ({{ columns | join(' is not null' ~ ignoring) }} is not null)
group by
    {{ columns | join(',\n    ') }}
having count(*) > 1
{%- endmacro %}

{#- `sum_total` is a number, or a column (or expression) that is summed like the others. -#}
{% test expect_multicolumn_sum_to_equal(
    model, column_list, sum_total, group_by=None, row_condition=None
) %}
    {%- do dbt_expectations.require_list('column_list', column_list, required=true) -%}
    {%- set total = 'sum(' ~ column_list | join(') + sum(') ~ ')' -%}
    {%- set expected = sum_total if sum_total is number else 'sum(' ~ sum_total ~ ')' -%}
{{ dbt_expectations.failing_groups(
    model, total, total ~ ' <> ' ~ expected, group_by, row_condition
) }}
{% endtest %}
