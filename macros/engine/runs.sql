{#- Which warehouse this is and which runs of dbt were made in it (docs/gate.md, "What a measurement is of"). `warehouse`
    has one row: a random id, written by `mbp db init` or by the first run. `runs` has two rows a run: when it began, and
    when it ended with the digest of the nodes that have a result. Rows are only ever added: Parquet cannot change them.
    mbp.runs.run_control reads them. -#}
{% macro begin_run() -%}
    {%- if execute -%}
        {%- do take_role() -%}
        {%- do make_run_tables() -%}
        {{ run_event('began', none) }}
    {%- endif -%}
{%- endmacro %}

{% macro end_run(results) -%}
    {%- if execute -%}
        {%- do take_role() -%}
        {%- set ids = [] -%}
        {%- for result in results -%}
            {#- NODE_KINDS of mbp.runs.run_control. -#}
            {%- if result.node.unique_id.split('.')[0] in ('function', 'model', 'seed', 'snapshot', 'test', 'unit_test') -%}
                {%- do ids.append(result.node.unique_id) -%}
            {%- endif -%}
        {%- endfor -%}
        {{ run_event('ended', local_md5(ids | sort(case_sensitive=true) | join('\n'))) }}
    {%- endif -%}
{%- endmacro %}

{#- dbt may roll back the `set role` of a connection before its hooks run; the tables would belong to the login. -#}
{% macro take_role() -%}
    {%- if target.type == 'postgres' and target.get('role') -%}
        {%- do run_query('set role ' ~ adapter.quote(target.role)) -%}
    {%- endif -%}
{%- endmacro %}

{% macro make_run_tables() -%}
    {%- set text, instant = type_string(), type_timestamp_utc() -%}
    {%- set identity = verification_table('warehouse') -%}
    {%- if not adapter.check_schema_exists(target.get('database'), 'verification') -%}
        {%- do run_query('create schema verification') -%}
    {%- endif -%}
    {%- do run_query(
        'create table if not exists ' ~ identity ~ ' (warehouse_id ' ~ text ~ ', created_at ' ~ instant ~ ')'
        ~ control_table_format()
    ) -%}
    {%- do run_query(
        'create table if not exists ' ~ verification_table('runs') ~ ' (invocation_id ' ~ text ~ ', warehouse_id ' ~ text
        ~ ', command ' ~ text ~ ', event ' ~ text ~ ', happened_at ' ~ instant ~ ', nodes_digest ' ~ text ~ ')'
        ~ control_table_format()
    ) -%}
    {#- `mbp build` fills it for loaded data. -#}
    {%- do run_query(
        'create table if not exists ' ~ verification_table('unmeasured_kpis') ~ ' (kpi_id ' ~ text ~ ', reason ' ~ text ~ ')'
        ~ control_table_format()
    ) -%}
    {%- if run_query('select warehouse_id from ' ~ identity ~ ' limit 1').rows | length == 0 -%}
        {%- do run_query(
            'insert into ' ~ identity ~ " select '" ~ invocation_id ~ "' as warehouse_id, cast("
            ~ current_timestamp() ~ ' as ' ~ instant ~ ') as created_at'
        ) -%}
    {%- endif -%}
{%- endmacro %}

{#- dbt runs hooks outside of a transaction, and PostgreSQL's driver opens one. -#}
{% macro run_event(event, nodes_digest) -%}
    insert into {{ verification_table('runs') }}
    select
        '{{ invocation_id }}' as invocation_id,
        warehouse_id,
        '{{ flags.WHICH }}' as command,
        '{{ event }}' as event,
        cast({{ current_timestamp() }} as {{ type_timestamp_utc() }}) as happened_at,
        {% if nodes_digest %}'{{ nodes_digest }}'{% else %}cast(null as {{ type_string() }}){% endif %} as nodes_digest
    from {{ verification_table('warehouse') }}
    {{- '; commit' if target.type == 'postgres' }}
{%- endmacro %}

{% macro control_table_format() -%}{{ return(' using parquet' if target.type == 'spark' else '') }}{%- endmacro %}
