{#- The only macros of this package whose text differs between engines. An engine without an
    implementation stops with a clear word instead of a syntax error in the warehouse. -#}

{% macro unsupported(what) -%}
    {{ exceptions.raise_compiler_error(what ~ ' is not supported on ' ~ adapter.type()) }}
{%- endmacro %}

{#- True where `pattern` is found anywhere in `expression`: a search, on every engine; the caller
    anchors. Flags are letters: `i` ignores case, `c` does not (default); of `s` (default: a dot finds a
    line break too, ^ and $ mean the whole text), `p` (a dot stops at a line break), `n` or `m` (and ^ and
    $ mean each line), `w` (each line, but a dot does not stop) the last one counts. -#}
{% macro regex_found(expression, pattern, flags='') -%}
    {%- for flag in flags or '' if flag not in 'cimnpsw' -%}
        {{ exceptions.raise_compiler_error(
            "flags: '" ~ flag ~ "' has no one meaning on all engines; expected letters of cimnpsw"
        ) }}
    {%- endfor -%}
    {{ return(adapter.dispatch('regex_found', 'dbt_expectations')(expression, pattern, flags or '')) }}
{%- endmacro %}

{% macro default__regex_found(expression, pattern, flags) -%}
    {{ dbt_expectations.unsupported('a test with a regular expression') }}
{%- endmacro %}

{% macro duckdb__regex_found(expression, pattern, flags) -%}
    {%- set lines = (['s'] + modules.re.findall('[mnpsw]', flags)) | last -%}
    {%- set letter_case = (['c'] + modules.re.findall('[ci]', flags)) | last -%}
    {%- set options = letter_case ~ ('s' if lines in 'sw' else '') -%}
    {%- set prefix = '(?m)' if lines in 'mnw' else '' -%}
    {{ return(
        'regexp_matches(' ~ expression ~ ', '
        ~ dbt_expectations.text_literal(pattern, prefix) ~ ", '" ~ options ~ "')"
    ) }}
{%- endmacro %}

{% macro postgres__regex_found(expression, pattern, flags) -%}
    {%- set prefix = '(?' ~ flags ~ ')' if flags else '' -%}
    {{ return(expression ~ ' ~ ' ~ dbt_expectations.text_literal(pattern, prefix)) }}
{%- endmacro %}

{#- Java lets $ stop before a last line break; the other engines do not, so there it is written \z. -#}
{% macro spark__regex_found(expression, pattern, flags) -%}
    {%- set lines = (['s'] + modules.re.findall('[mnpsw]', flags)) | last -%}
    {%- set letter_case = (['c'] + modules.re.findall('[ci]', flags)) | last -%}
    {%- set options = ('i' if letter_case == 'i' else '') ~ ('s' if lines in 'sw' else '')
        ~ ('m' if lines in 'mnw' else '') -%}
    {%- set parts = [] -%}
    {%- for part in modules.re.findall('\\\\[\\s\\S]|\\[\\^?\\]?(?:\\\\[\\s\\S]|[^\\]])*\\]|[\\s\\S]', pattern) -%}
        {%- do parts.append('\\z' if part == '$' and lines not in 'mnw' else part) -%}
    {%- endfor -%}
    {%- set prefix = '(?' ~ options ~ ')' if options else '' -%}
    {{ return(
        'regexp_like(' ~ expression ~ ', ' ~ dbt_expectations.text_literal(parts | join, prefix) ~ ')'
    ) }}
{%- endmacro %}

{#- What a text needs between quotes, which are doubled; Spark reads a backslash as the start of an
    escape. -#}
{% macro escaped_text(text) -%}
    {{ return(adapter.dispatch('escaped_text', 'dbt_expectations')(text)) }}
{%- endmacro %}
{% macro default__escaped_text(text) -%}
    {{ dbt_expectations.unsupported('a text of a test') }}
{%- endmacro %}
{% macro duckdb__escaped_text(text) -%}{{ return(text | replace("'", "''")) }}{%- endmacro %}
{% macro postgres__escaped_text(text) -%}{{ return(text | replace("'", "''")) }}{%- endmacro %}
{% macro spark__escaped_text(text) -%}
    {{ return(text | replace('\\', '\\\\') | replace("'", "\\'")) }}
{%- endmacro %}
