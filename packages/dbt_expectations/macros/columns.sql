{#- Which columns a relation really has, in the warehouse's own words. Nothing here reads rows. -#}

{#- Names in order, in the letter case that `transform` gives. A relation without columns is one that
    is not there: an error, as nothing was checked. -#}
{% macro names_of_columns(model, transform) -%}
    {%- set names = adapter.get_columns_in_relation(model) | map(attribute='name') | map(transform) | list -%}
    {%- if not names -%}
        {{ exceptions.raise_compiler_error(
            model ~ ': expected a relation with columns, found none; build it first'
        ) }}
    {%- endif -%}
    {{ return(names) }}
{%- endmacro %}

{#- `column_index` counts from 1. -#}
{% test expect_column_to_exist(model, column_name, column_index=None, transform="upper") %}
    {%- if execute -%}
        {%- set wanted = column_name | map(transform) | join -%}
        {%- set names = dbt_expectations.names_of_columns(model, transform) -%}
        {%- set found = wanted in names
            and (not column_index or names.index(wanted) + 1 == column_index) -%}
{{ dbt_expectations.failing_values(['missing_column'], [] if found else [{'missing_column': wanted}]) }}
    {%- endif -%}
{% endtest %}

{#- One row per place that differs and side: two columns that changed places are four rows. -#}
{% test expect_table_columns_to_match_ordered_list(model, column_list, transform="upper") %}
    {%- if execute -%}
        {%- do dbt_expectations.require_list('column_list', column_list, required=true) -%}
        {%- set wanted = column_list | map(transform) | list -%}
        {%- set names = dbt_expectations.names_of_columns(model, transform) -%}
        {%- set failures = [] -%}
        {%- for place in range([names | length, wanted | length] | max) -%}
            {%- if names[place] != wanted[place] and names[place] -%}
                {%- do failures.append({'relation_column': names[place]}) -%}
            {%- endif -%}
            {%- if names[place] != wanted[place] and wanted[place] -%}
                {%- do failures.append({'input_column': wanted[place]}) -%}
            {%- endif -%}
        {%- endfor -%}
{{ dbt_expectations.failing_values(['relation_column', 'input_column'], failures) }}
    {%- endif -%}
{% endtest %}

{% test expect_table_columns_to_match_set(model, column_list, transform="upper") %}
    {%- if execute -%}
{{ dbt_expectations.columns_off_the_list(model, column_list, transform, ['missing', 'unexpected']) }}
    {%- endif -%}
{% endtest %}

{% test expect_table_columns_to_contain_set(model, column_list, transform="upper") %}
    {%- if execute -%}
{{ dbt_expectations.columns_off_the_list(model, column_list, transform, ['missing']) }}
    {%- endif -%}
{% endtest %}

{% test expect_table_columns_to_not_contain_set(model, column_list, transform="upper") %}
    {%- if execute -%}
{{ dbt_expectations.columns_off_the_list(model, column_list, transform, ['forbidden']) }}
    {%- endif -%}
{% endtest %}

{#- One row per column that is `missing` from the relation, `unexpected` in it, or `forbidden`. -#}
{% macro columns_off_the_list(model, column_list, transform, kinds) -%}
    {%- do dbt_expectations.require_list('column_list', column_list, required=true) -%}
    {%- set listed = column_list | map(transform) | list -%}
    {%- set names = dbt_expectations.names_of_columns(model, transform) -%}
    {%- set failures = [] -%}
    {%- for name in names -%}
        {%- if name not in listed and 'unexpected' in kinds -%}
            {%- do failures.append({'relation_column': name}) -%}
        {%- elif name in listed and 'forbidden' in kinds -%}
            {%- do failures.append({'relation_column': name, 'input_column': name}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for name in listed if name not in names and 'missing' in kinds -%}
        {%- do failures.append({'input_column': name}) -%}
    {%- endfor -%}
    {{ dbt_expectations.failing_values(['relation_column', 'input_column'], failures) }}
{%- endmacro %}

{% test expect_table_column_count_to_equal(model, value) %}
    {%- if execute -%}
        {%- set number = dbt_expectations.names_of_columns(model, 'upper') | length -%}
{{ dbt_expectations.failing_values(
    ['number_actual_columns', 'value'],
    [] if number == value else [{'number_actual_columns': number | string, 'value': value | string}]
) }}
    {%- endif -%}
{% endtest %}

{% test expect_table_column_count_to_be_between(model, min_value=None, max_value=None) %}
    {%- do dbt_expectations.outside_bounds('number of columns', min_value, max_value) -%}
    {%- if execute -%}
        {%- set number = dbt_expectations.names_of_columns(model, 'upper') | length -%}
        {%- set outside = (min_value is not none and number < min_value)
            or (max_value is not none and number > max_value) -%}
{{ dbt_expectations.failing_values(
    ['number_actual_columns'], [{'number_actual_columns': number | string}] if outside else []
) }}
    {%- endif -%}
{% endtest %}

{% test expect_column_values_to_be_of_type(model, column_name, column_type) %}
{{ dbt_expectations.test_expect_column_values_to_be_in_type_list(model, column_name, [column_type]) }}
{% endtest %}

{#- Types are the engine's own names, in any letter case. A column that is not there fails. -#}
{% test expect_column_values_to_be_in_type_list(model, column_name, column_type_list) %}
    {%- if execute -%}
        {%- do dbt_expectations.require_list('column_type_list', column_type_list, required=true) -%}
        {%- set allowed = column_type_list | map('upper') | list -%}
        {%- set wanted = column_name | upper -%}
        {%- set types = [] -%}
        {%- for column in adapter.get_columns_in_relation(model) if column.name | upper == wanted -%}
            {%- do types.append(column.dtype | upper) -%}
        {%- endfor -%}
        {%- set failure = {'relation_column': wanted, 'relation_column_type': types | first or none} -%}
{{ dbt_expectations.failing_values(
    ['relation_column', 'relation_column_type'],
    [] if types and types[0] in allowed else [failure]
) }}
    {%- endif -%}
{% endtest %}
