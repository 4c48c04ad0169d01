{#- The table as a whole: how many rows, which columns, how recent. -#}

{% test expect_table_row_count_to_be_between(
    model, min_value=None, max_value=None, group_by=None, row_condition=None, strictly=False
) %}
{{ dbt_expectations.aggregate_between(
    model, 'count(*)', min_value, max_value, group_by, row_condition, strictly
) }}
{% endtest %}

{% test expect_table_row_count_to_equal(model, value, group_by=None, row_condition=None) %}
{{ dbt_expectations.failing_groups(
    model, 'count(*)', 'count(*) <> ' ~ value, group_by, row_condition
) }}
{% endtest %}

{% test expect_table_row_count_to_equal_other_table(
    model,
    compare_model,
    group_by=None,
    compare_group_by=None,
    factor=1,
    row_condition=None,
    compare_row_condition=None
) %}
{{ dbt_expectations.test_equal_expression(
    model,
    'count(*)',
    compare_model=compare_model,
    compare_expression='count(*) * ' ~ factor,
    group_by=group_by,
    compare_group_by=compare_group_by,
    row_condition=row_condition,
    compare_row_condition=compare_row_condition
) }}
{% endtest %}

{% test expect_table_row_count_to_equal_other_table_times_factor(
    model,
    compare_model,
    factor,
    group_by=None,
    compare_group_by=None,
    row_condition=None,
    compare_row_condition=None
) %}
{{ dbt_expectations.test_expect_table_row_count_to_equal_other_table(
    model,
    compare_model,
    group_by=group_by,
    compare_group_by=compare_group_by,
    factor=factor,
    row_condition=row_condition,
    compare_row_condition=compare_row_condition
) }}
{% endtest %}

{% test expect_table_aggregation_to_equal_other_table(
    model,
    expression,
    compare_model,
    compare_expression=None,
    group_by=None,
    compare_group_by=None,
    row_condition=None,
    compare_row_condition=None,
    tolerance=0.0,
    tolerance_percent=None
) %}
{{ dbt_expectations.test_equal_expression(
    model,
    expression,
    compare_model,
    compare_expression,
    group_by,
    compare_group_by,
    row_condition,
    compare_row_condition,
    tolerance,
    tolerance_percent
) }}
{% endtest %}

{#- Rows of the future are left out; no row at all is not recent. -#}
{% test expect_row_values_to_have_recent_data(
    model, column_name, datepart, interval, row_condition=None
) %}
    {%- set newest = 'max(' ~ dbt_expectations.as_instant(column_name) ~ ')' -%}
    {%- set oldest_allowed = dbt.dateadd(datepart, interval * -1, dbt_expectations.instant_now()) -%}
select {{ newest }} as max_timestamp
from {{ model }}
where
    {{ dbt_expectations.as_instant(column_name) }} <= {{ dbt_expectations.instant_now() }}
    {%- if row_condition %}
    and ({{ row_condition }})
    {%- endif %}
having {{ newest }} is null or {{ newest }} < {{ oldest_allowed }}
{% endtest %}

{#- One row per group whose newest row is too old. A group without rows does not exist, and a group
    whose key has a null is left out. -#}
{% test expect_grouped_row_values_to_have_recent_data(
    model, group_by, timestamp_column, datepart, interval, row_condition=None
) %}
    {%- do dbt_expectations.require_list('group_by', group_by, required=true) -%}
    {%- set newest = 'max(' ~ dbt_expectations.as_instant(timestamp_column) ~ ')' -%}
    {%- set oldest_allowed = dbt.dateadd(datepart, interval * -1, dbt_expectations.instant_now()) -%}
select
    {{ group_by | join(',\n    ') }},
    {{ newest }} as latest_timestamp_column
from {{ model }}
where
    {{ dbt_expectations.as_instant(timestamp_column) }} <= {{ dbt_expectations.instant_now() }}
    and {{ group_by | join(' is not null and ') }} is not null
    {%- if row_condition %}
    and ({{ row_condition }})
    {%- endif %}
group by
    {{ group_by | join(',\n    ') }}
having {{ newest }} < {{ oldest_allowed }}
{% endtest %}
