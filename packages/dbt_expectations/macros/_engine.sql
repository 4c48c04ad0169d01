{#- The only macros of this package whose text differs between engines. An engine without an
    implementation stops with a clear word instead of a syntax error in the warehouse. -#}

{% macro unsupported(what) -%}
    {{ exceptions.raise_compiler_error(what ~ ' is not supported on ' ~ adapter.type()) }}
{%- endmacro %}

{#- True where `pattern` is found anywhere in `expression`: a search, on every engine; the caller
    anchors. A quote in the pattern may be written once or, as the public package needs it, twice. -#}
{% macro regex_found(expression, pattern, flags='') -%}
    {%- set literal = "'" ~ pattern | replace("''", "'") | replace("'", "''") ~ "'" -%}
    {{ return(adapter.dispatch('regex_found', 'dbt_expectations')(expression, literal, flags or '')) }}
{%- endmacro %}

{% macro default__regex_found(expression, literal, flags) -%}
    {{ dbt_expectations.unsupported('a regular expression test') }}
{%- endmacro %}

{#- Without other wishes a dot also finds a line break, as it does on PostgreSQL. -#}
{% macro duckdb__regex_found(expression, literal, flags) -%}
    {%- do dbt_expectations.validate_regex_flags(flags, 'cilmnps') -%}
    {%- set options = flags if modules.re.search('[mnps]', flags) else flags ~ 's' -%}
regexp_matches({{ expression }}, {{ literal }}, '{{ options }}')
{%- endmacro %}

{% macro postgres__regex_found(expression, literal, flags) -%}
    {%- do dbt_expectations.validate_regex_flags(flags, 'bceimnpqstwx') -%}
{{ expression }} ~ {{ literal | replace("'", "'(?" ~ flags ~ ")", 1) if flags else literal }}
{%- endmacro %}

{% macro validate_regex_flags(flags, allowed) -%}
    {%- for flag in flags if flag not in allowed -%}
        {{ exceptions.raise_compiler_error(
            "flags: '" ~ flag ~ "' means nothing to the regular expressions of " ~ adapter.type()
            ~ '; expected some of ' ~ allowed
        ) }}
    {%- endfor -%}
{%- endmacro %}
