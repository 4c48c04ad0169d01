{#- How dbt replaces relations on PostgreSQL (docs/engines.md, "Replacing tables on PostgreSQL"). dbt renames the old one
    to a backup, gives the new one its name, and after the commit drops the backup with `cascade`: every view on it, of
    analysts too, is lost, unless the same run makes it again. Here the second rename does all of it, in the transaction of the model:
    see replace_relation. Nothing is ever dropped with `cascade`. -#}
{% macro postgres__rename_relation(from_relation, to_relation) -%}
    {%- if to_relation.identifier != make_backup_relation(from_relation, from_relation.type).identifier -%}
        {%- do replace_relation(from_relation, to_relation) -%}
    {%- endif -%}
{%- endmacro %}

{% macro postgres__drop_view(relation) -%}drop view if exists {{ relation }}{%- endmacro %}
{% macro postgres__drop_table(relation) -%}drop table if exists {{ relation }}{%- endmacro %}
{#- Privileges come along, so dbt must take away those that its `grants` no longer name. -#}
{% macro postgres__copy_grants() -%}{{ return(true) }}{%- endmacro %}
{#- dbt forgets the views on a relation that it drops. They are still there. -#}
{% macro postgres__get_relations() -%}{{ return([]) }}{%- endmacro %}

{#- `fresh` takes the place of `old`, which need not exist. -#}
{% macro replace_relation(fresh, old) -%}
    {%- do install_replace_functions() -%}
    {%- set rebuilt = rebuilt_by_this_run(old) -%}
    {% call statement('rename_relation') -%}
    do $$ begin
        if to_regclass('{{ old }}') is null then
            alter table {{ fresh }} rename to {{ adapter.quote(old.identifier) }};
        else
            perform snapshot.replace_relation(
                '{{ fresh }}', '{{ old }}',
                array[{% for name in rebuilt %}'{{ name }}'{{ ', ' if not loop.last }}{% endfor %}]::text[]
            );
        end if;
    end $$
    {%- endcall %}
{%- endmacro %}

{#- Relations that this run creates again, and so may stay on an old table for a while. The view of readers is made by its dataset. -#}
{% macro rebuilt_by_this_run(relation) -%}
    {%- set names = ['published.' ~ relation.identifier] if 'publish(' in model.config['post-hook'] | string else [] -%}
    {%- for id in selected_resources if id in graph.nodes -%}
        {%- set node = graph.nodes[id] -%}
        {%- if node.resource_type in ('model', 'snapshot') -%}
            {%- do names.append(node.schema ~ '.' ~ node.alias) -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(names) -}}
{%- endmacro %}

{#- The functions, when the warehouse has none or others than these. -#}
{% macro install_replace_functions() -%}
    {%- set functions = replace_functions() -%}
    {%- set version = local_md5(functions | join('')) -%}
    {%- set installed = run_query(
        "select obj_description(to_regproc('snapshot.replace_relation'), 'pg_proc') as version"
    ).rows[0][0] -%}
    {%- if installed != version -%}
        {%- do one_swap_at_a_time() -%}
        {%- do make_published_schemas() -%}
        {#- What an earlier version installed may have other arguments. #}
        {%- do run_query(
            "do $$ declare item record; begin for item in select oid::regprocedure as name from pg_proc"
            ~ " where pronamespace = 'snapshot'::regnamespace and pg_has_role(proowner, 'usage')"
            ~ " loop execute 'drop function ' || item.name; end loop; end $$"
        ) -%}
        {%- do run_query(functions | join(';\n')) -%}
        {%- do run_query("comment on function snapshot.replace_relation is '" ~ version ~ "'") -%}
    {%- endif -%}
{%- endmacro %}

{#- A seed that is loaded again: other columns need a new table, else only the rows are other ones. `truncate` would
    show readers an empty table. -#}
{% macro postgres__reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
    {%- if not full_refresh -%}
        {%- set sql = 'delete from ' ~ old_relation -%}
        {%- do run_query(sql) -%}
        {{- return(sql) -}}
    {%- endif -%}
    {%- set fresh = make_intermediate_relation(old_relation) -%}
    {%- set sql = postgres_seed_table(model, fresh, agate_table) -%}
    {%- do run_query('drop table if exists ' ~ fresh) -%}
    {%- do run_query(sql) -%}
    {%- do replace_relation(fresh, old_relation) -%}
    {{- return(sql) -}}
{%- endmacro %}

{#- As dbt's create_csv_table, under another name. -#}
{% macro postgres_seed_table(model, relation, agate_table) -%}
    create table {{ relation }} (
    {%- for name in agate_table.column_names -%}
        {{ adapter.quote_seed_column(name | string, model.config.get('quote_columns')) }}
        {{ model.config.get('column_types', {}).get(name, adapter.convert_type(agate_table, loop.index0)) }}
        {{- ', ' if not loop.last }}
    {%- endfor -%}
    )
{%- endmacro %}
