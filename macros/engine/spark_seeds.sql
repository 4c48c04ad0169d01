{#- dbt-spark inserts seeds value by value, thousands of casts in one statement: minutes for the sample. Here the rows
    of a batch travel as one text, which Spark splits and casts; so it works without a path that the workers would
    have to see. Values and rows are kept apart by the control characters that ASCII has for it. -#}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set statements = [] -%}
    {%- set names = agate_table.column_names -%}
    {%- for batch in agate_table.rows | batch(get_batch_size()) -%}
        {%- set sql -%}
            insert into {{ this }}
            select
                {%- for name in names %}
                cast(nullif(parts[{{ loop.index0 }}], '\u0000') as {{ spark_type(model.config.column_types[name]) }})
                {%- if not loop.last %},{% endif %}
                {%- endfor %}
            from (
                select split(line, '\u001f', -1) as parts
                from (select explode(split('{{ spark_seed_text(batch) }}', '\u001e', -1)) as line) as lines
            ) as cells
        {%- endset -%}
        {%- do adapter.add_query(sql, abridge_sql_log=True) -%}
        {%- do statements.append(sql) -%}
    {%- endfor -%}
    {{ return(statements[0]) }}
{%- endmacro %}

{% macro spark_seed_text(rows) -%}
    {%- set lines = [] -%}
    {%- for row in rows -%}
        {%- set cells = [] -%}
        {%- for value in row -%}{%- do cells.append('\x00' if value is none else value | string) -%}{%- endfor -%}
        {%- do lines.append(cells | join('\x1f')) -%}
    {%- endfor -%}
    {{ return(dbt_expectations.escaped_text(lines | join('\x1e'))) }}
{%- endmacro %}

{% macro spark__create_csv_table(model, agate_table) -%}
    {%- set types = model.config.column_types or {} -%}
    {%- set columns = [] -%}
    {%- for name in agate_table.column_names -%}
        {%- if name not in types -%}
            {{ exceptions.raise_compiler_error(
                'seed ' ~ model.name ~ ': the column ' ~ name ~ ' has no type; add it to column_types'
            ) }}
        {%- endif -%}
        {%- do columns.append(adapter.quote(name) ~ ' ' ~ spark_type(types[name])) -%}
    {%- endfor -%}
    {%- set sql = 'create table ' ~ this ~ ' (' ~ columns | join(', ') ~ ') using parquet' -%}
    {%- call statement('_') -%}{{ sql }}{%- endcall -%}
    {{ return(sql) }}
{%- endmacro %}
