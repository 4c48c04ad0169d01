{#- What the tests are made of: a test says which rows, groups or columns are wrong, these macros turn
    that into a query. All calls name the package, as a project with macros of the same name needs. -#}

{#- The whole rows that meet `violation`. A bare filter, so that an engine can skip row groups by their
    minimum and maximum, and a sample shows every column. A null `violation` is no violation. -#}
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
{% macro failing_groups(model, expression, violation, group_by=None, row_condition=None) -%}
    {%- do dbt_expectations.require_list('group_by', group_by) -%}
select
    {% for column in group_by or [] -%}
    {{ column }} as col_{{ loop.index }},
    {% endfor -%}
    {{ expression }} as observed_value
from {{ model }}
{% if row_condition -%}
where
    {{ row_condition }}
{% endif -%}
{% if group_by -%}
group by
    {{ group_by | join(',\n    ') }}
{% endif -%}
having
    {{ violation }}
{%- endmacro %}

{#- A SQL string. A quote in `text` may be written once or, as the public package needs it, twice. -#}
{% macro text_literal(text, prefix='') -%}
    {%- set plain = prefix ~ (text | string | replace("''", "'")) -%}
    {{ return("'" ~ dbt_expectations.escaped_text(plain) ~ "'") }}
{%- endmacro %}

{% macro require_list(argument, value) -%}
    {%- if value is string or value is mapping -%}
        {{ exceptions.raise_compiler_error(
            argument ~ ': expected a list, found ' ~ (value | string) ~ '; write it as [a, b]'
        ) }}
    {%- endif -%}
{%- endmacro %}

{#- True where a value is outside its bounds, null where it is null. Bounds belong to the allowed
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
