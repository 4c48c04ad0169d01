{#- `expression_is_true`, `expression_between` and `equal_expression`, on which the public interface
    builds its other tests: as tests, the first two also as macros for tests of one's own. -#}

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
    {%- set plain = test_condition | replace(' ', '') | lower == '=true' -%}
    {%- set violation = 'not (' ~ expression ~ ')' if plain
        else 'not ((' ~ expression ~ ') ' ~ test_condition ~ ')' -%}
    {%- set kind = 'aggregate' if group_by_columns else dbt_expectations.expression_kind(expression) -%}
    {%- if kind == 'aggregate' -%}
        {{ dbt_expectations.failing_groups(
            model, '(' ~ expression ~ ')', violation, group_by_columns, row_condition
        ) }}
    {%- elif kind == 'window' -%}
        {{ dbt_expectations.failing_rows_of_window(model, violation, row_condition) }}
    {%- else -%}
        {{ dbt_expectations.failing_rows(model, violation, row_condition) }}
    {%- endif -%}
{%- endmacro %}

{#- Whole rows where a window function finds a violation: those cannot stand in a where clause. -#}
{% macro failing_rows_of_window(model, violation, row_condition=None) -%}
select *
from (
    select
        *,
        {{ violation }} as is_violation
    from {{ model }}
    {% if row_condition -%}
    where
        {{ row_condition }}
    {% endif -%}
) as evaluated
where is_violation
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
    {%- set kind = 'aggregate' if group_by_columns else dbt_expectations.expression_kind(expression) -%}
    {%- if kind == 'aggregate' -%}
        {{ dbt_expectations.failing_groups(
            model, expression, violation, group_by_columns, row_condition
        ) }}
    {%- elif kind == 'window' -%}
        {{ dbt_expectations.failing_rows_of_window(model, violation, row_condition) }}
    {%- else -%}
        {{ dbt_expectations.failing_rows(model, violation, row_condition) }}
    {%- endif -%}
{%- endmacro %}

{#- True where a value lies outside its bounds, null where it is null. Bounds belong to the allowed
    range, unless `strictly`. -#}
{% macro outside_bounds(expression, min_value=None, max_value=None, strictly=False) -%}
    {%- if min_value is none and max_value is none -%}
        {{ exceptions.raise_compiler_error(
            expression ~ ': expected min_value, max_value or both; give at least one bound'
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

{#- `row`: can stand in a where clause; `aggregate`: makes one row of many; `window`: needs a select
    list of its own. Told by the names of the functions called; a subquery is left to itself. -#}
{% macro expression_kind(expression) -%}
    {%- set text = expression | string | lower -%}
    {%- set aggregates = (
        'any_value|approx_\\w+|arg_max|arg_min|array_agg|avg|bit_and|bit_or|bool_and|bool_or|corr|count'
        ~ '|count_if|countif|covar_\\w+|every|kurtosis|listagg|mad|max|max_by|mean|median|min|min_by'
        ~ '|mode|percentile\\w*|product|quantile\\w*|regr_\\w+|skewness|stddev\\w*|string_agg|sum'
        ~ '|var_\\w+|variance'
    ) -%}
    {%- if modules.re.search('\\bover\\s*\\(', text) -%}
        {{ return('window') }}
    {%- elif modules.re.search('\\bselect\\b', text) -%}
        {{ return('row') }}
    {%- elif modules.re.search('\\b(' ~ aggregates ~ ')\\s*\\(', text) -%}
        {{ return('aggregate') }}
    {%- endif -%}
    {{ return('row') }}
{%- endmacro %}

{#- Two aggregates, of one table or of two, must agree within a tolerance, group by group. A group that
    one side lacks counts as 0 there; a null group key agrees with nothing. -#}
{% test equal_expression(
    model,
    expression,
    compare_model=None,
    compare_expression=None,
    group_by=None,
    compare_group_by=None,
    row_condition=None,
    compare_row_condition=None,
    tolerance=0.0,
    tolerance_percent=None
) %}
    {%- do dbt_expectations.require_list('group_by', group_by) -%}
    {%- do dbt_expectations.require_list('compare_group_by', compare_group_by) -%}
with measured as (
{{ dbt_expectations.aggregate_of(model, expression, group_by, row_condition) }}
),

compared as (
{{ dbt_expectations.aggregate_of(
    compare_model or model,
    compare_expression or expression,
    compare_group_by or group_by,
    compare_row_condition or row_condition
) }}
),
{{ dbt_expectations.aggregates_that_differ(group_by or [], tolerance, tolerance_percent) }}
{% endtest %}

{% macro aggregate_of(model, expression, group_by=None, row_condition=None) -%}
    {{ dbt_expectations.failing_groups(model, expression, '1 = 1', group_by, row_condition) }}
{%- endmacro %}

{% macro aggregates_that_differ(group_by, tolerance=0.0, tolerance_percent=None) -%}
differences as (
    select
        {%- for column in group_by %}
        coalesce(measured.col_{{ loop.index }}, compared.col_{{ loop.index }}) as col_{{ loop.index }},
        {%- endfor %}
        measured.observed_value,
        compared.observed_value as compared_value,
        abs(coalesce(measured.observed_value, 0) - coalesce(compared.observed_value, 0)) as difference
    from measured
    {%- if group_by %}
    full outer join compared
        on
        {%- for column in group_by %}
            measured.col_{{ loop.index }} = compared.col_{{ loop.index }}
            {%- if not loop.last %} and{% endif %}
        {%- endfor %}
    {%- else %}
    cross join compared
    {%- endif %}
)

select *
from differences
where
    {% if tolerance_percent -%}
    difference / nullif(observed_value * 1.0, 0) > {{ tolerance_percent }}
    {%- else -%}
    difference > {{ tolerance }}
    {%- endif %}
{%- endmacro %}
