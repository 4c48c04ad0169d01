{#- Number of the aligned window of so many minutes that an instant falls into; 0 begins in 1970. -#}
{% macro window_number(expression, minutes) -%}
    cast(floor({{ epoch_microseconds(expression) }} / {{ minutes * 60000000 }}.0) as bigint)
{%- endmacro %}

{#- First instant of a window by its number. -#}
{% macro window_start(number, minutes) -%}
    {{- timestamp_from_milliseconds('(' ~ number ~ ') * ' ~ (minutes * 60000)) -}}
{%- endmacro %}

{#- Rows of whole numbers from `first` to `last` (columns of `relation`, which has one row), as `number`. -#}
{% macro number_series(relation, first, last) -%}
    {{ return(adapter.dispatch('number_series', 'mbp')(relation, first, last)) }}
{%- endmacro %}
{% macro duckdb__number_series(relation, first, last) -%}
    select cast(unnest(generate_series({{ first }}, {{ last }})) as bigint) as number from {{ relation }}
{%- endmacro %}
{% macro postgres__number_series(relation, first, last) -%}
    select cast(generate_series({{ first }}, {{ last }}) as bigint) as number from {{ relation }}
{%- endmacro %}
{#- Spark's sequence counts down where the first number is the greater one; here such a row gives none. -#}
{% macro spark__number_series(relation, first, last) -%}
    select explode(sequence(cast({{ first }} as bigint), cast({{ last }} as bigint))) as number
    from {{ relation }}
    where {{ first }} <= {{ last }}
{%- endmacro %}
{% macro default__number_series(relation, first, last) -%}{{ unsupported('number_series') }}{%- endmacro %}

{#- A column whose name is a word of SQL, as the engine writes it. -#}
{% macro quoted(name) -%}{{ adapter.quote(name) }}{%- endmacro %}
