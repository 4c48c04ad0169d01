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

{#- Rows from values that are known before the query runs: a list of dicts with the same keys, all
    text. An empty list gives a query without rows, which is a test that passes. -#}
{% macro failing_values(columns, rows) -%}
    {%- for row in rows or [dict()] %}
select
    {%- for column in columns %}
    {%- set value = dbt_expectations.text_literal(row[column]) if row[column] is string else 'null' %}
    cast({{ value }} as {{ dbt.type_string() }}) as {{ column }}
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
        {%- if not loop.last %}
union all
        {%- endif %}
    {%- endfor %}
    {%- if not rows %}
where 1 = 0
    {%- endif %}
{%- endmacro %}

{#- A SQL string. A quote in `text` may be written once or, as the public package needs it, twice. -#}
{% macro text_literal(text, prefix='') -%}
    {%- set plain = prefix ~ (text | string | replace("''", "'")) -%}
    {{ return("'" ~ dbt_expectations.escaped_text(plain) ~ "'") }}
{%- endmacro %}

{#- The values of a set between commas: as strings, or as they stand (numbers, expressions). -#}
{% macro value_list(value_set, quote_values=True) -%}
    {%- do dbt_expectations.require_list('value_set', value_set, required=true) -%}
    {%- set values = [] -%}
    {%- for value in value_set -%}
        {%- do values.append(dbt_expectations.text_literal(value) if quote_values else value | string) -%}
    {%- endfor -%}
    {{ return(values | join(', ')) }}
{%- endmacro %}

{% macro require_list(argument, value, required=false) -%}
    {%- if value is string or value is mapping or (required and not value) -%}
        {{ exceptions.raise_compiler_error(
            argument ~ ': expected a list' ~ (' with entries' if required else '')
            ~ ', found ' ~ (value | string or 'nothing') ~ '; write it as [a, b]'
        ) }}
    {%- endif -%}
{%- endmacro %}
