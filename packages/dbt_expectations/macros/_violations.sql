{#- What the tests are made of. A test says which rows (or groups) are wrong; these macros turn that
    into a query. All names are qualified with the package, as a project that swaps packages needs. -#}

{#- The whole rows that meet `violation`. A bare filter, so that an engine may skip row groups by
    their minimum and maximum, and a sample shows every column. A null `violation` is no violation. -#}
{% macro failing_rows(model, violation, row_condition=None) -%}
select *
from {{ model }}
where
    {% if row_condition -%}
    ({{ row_condition }})
    and {% endif -%}
    ({{ violation }})
{%- endmacro %}

{#- One row per failing group (`col_1`, `col_2`, ... and `observed_value`), or one row for the whole
    table when there are no groups. `expression` is an aggregate, `violation` speaks of aggregates. -#}
{% macro failing_groups(model, expression, violation, group_by_columns=None, row_condition=None) -%}
select
    {% for column in group_by_columns or [] -%}
    {{ column }} as col_{{ loop.index }},
    {% endfor -%}
    {{ expression }} as observed_value
from {{ model }}
{% if row_condition -%}
where
    {{ row_condition }}
{% endif -%}
{% if group_by_columns -%}
group by
    {{ group_by_columns | join(',\n    ') }}
{% endif -%}
having
    {{ violation }}
{%- endmacro %}

{#- `row`: can stand in a where clause; `aggregate`: makes one row of many; `window`: needs a select
    list of its own. Told by the names of the functions called; a subquery is left to itself. -#}
{% macro expression_kind(expression) -%}
    {%- set text = expression | string -%}
    {%- set aggregates = (
        'any_value|approx_\\w+|arg_max|arg_min|array_agg|avg|bit_and|bit_or|bool_and|bool_or|corr'
        ~ '|count|count_if|countif|covar_\\w+|every|first|kurtosis|last|list|listagg|logical_and'
        ~ '|logical_or|mad|max|max_by|mean|median|min|min_by|mode|percentile\\w*|product|quantile\\w*'
        ~ '|regr_\\w+|skewness|stddev\\w*|string_agg|sum|var_\\w+|variance'
    ) -%}
    {%- if modules.re.search('\\bover\\s*\\(', text, modules.re.IGNORECASE) -%}
        {{ return('window') }}
    {%- elif modules.re.search('\\bselect\\b', text, modules.re.IGNORECASE) -%}
        {{ return('row') }}
    {%- elif modules.re.search('\\b(' ~ aggregates ~ ')\\s*\\(', text, modules.re.IGNORECASE) -%}
        {{ return('aggregate') }}
    {%- endif -%}
    {{ return('row') }}
{%- endmacro %}
