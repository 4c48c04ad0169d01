{#- A floating-point number of 64 bits. (`float` of dbt has 32 on DuckDB.) -#}
{% macro type_double() -%}{{ return(adapter.dispatch('type_double', 'mbp')()) }}{%- endmacro %}
{% macro duckdb__type_double() -%}double precision{%- endmacro %}
{% macro postgres__type_double() -%}double precision{%- endmacro %}
{% macro spark__type_double() -%}double{%- endmacro %}
{% macro default__type_double() -%}{{ unsupported('type_double') }}{%- endmacro %}

{#- A type of the contracts and seeds, which write it as DuckDB and PostgreSQL have it, in Spark's words. -#}
{% macro spark_type(declared) -%}
    {%- set names = {'timestamptz': 'timestamp', 'timestamp': 'timestamp_ntz', 'double precision': 'double', 'varchar': 'string', 'text': 'string'} -%}
    {{- return(names.get(declared | trim | lower, declared)) -}}
{%- endmacro %}

{#- dbt builds the columns of a contract from their types. -#}
{% macro spark__get_empty_schema_sql(columns) -%}
    {%- set translated = {} -%}
    {%- for name, column in columns.items() -%}
        {%- if column.data_type is defined -%}
            {%- do translated.update({name: dict(column, data_type=spark_type(column.data_type))}) -%}
        {%- else -%}
            {%- do translated.update({name: column}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(dbt.default__get_empty_schema_sql(translated)) -}}
{%- endmacro %}
