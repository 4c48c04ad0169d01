{#- What readers see (docs/degrade.md). Post-hook of a public dataset, in the transaction that puts the new table in its
    place: while readers are live, their view is pointed at it there and then. PostgreSQL would otherwise
    drop the view with the table it was made on. While they are degraded the view is left alone: it stands
    on the snapshot, which no build touches. -#}
{% macro publish(relation) -%}
    {%- set log = ref('int_mbp__' ~ relation.identifier.removeprefix('mbp_') ~ '_latest') -%}
    {%- if execute -%}
        {%- do one_swap_at_a_time() -%}
        {%- do make_published_schemas() -%}
        {%- do run_query(degrade_tables()) -%}
        {%- set switch = run_query(
            'select mode from ' ~ degrade_table('switches') ~ ' order by number desc limit 1'
        ).rows -%}
        {%- if switch | length == 0 or switch[0][0] == 'live' -%}
            {{ point_readers(relation) }};
        {%- endif -%}
        {%- set builds = degrade_table('builds') %}
        delete from {{ builds }} where dataset = '{{ relation.identifier }}';
        insert into {{ builds }} (dataset, build_id, as_of)
        select '{{ relation.identifier }}', '{{ invocation_id }}', max(loaded_at) from {{ log }};
    {%- endif -%}
{%- endmacro %}

{#- The view of a dataset for readers. -#}
{% macro published(relation) -%}
    {{- return(relation.incorporate(path={'schema': 'published'}, type='view')) -}}
{%- endmacro %}

{#- A control table of `mbp degrade`. -#}
{% macro degrade_table(name) -%}
    {{- return(api.Relation.create(database=target.database, schema='snapshot', identifier=name)) -}}
{%- endmacro %}

{#- Control tables of `mbp degrade`. builds: which run of dbt made the rows of a dataset, and how far they
    reach. switches: only ever added to; the newest row is in force. copies: the one complete snapshot. -#}
{% macro degrade_tables() -%}
    {%- set text, instant = type_string(), type_timestamp_utc() -%}
    create table if not exists {{ degrade_table('builds') }} (
        dataset {{ text }} not null, build_id {{ text }} not null, as_of {{ instant }}
    );
    create table if not exists {{ degrade_table('switches') }} (
        number bigint not null, mode {{ text }} not null, generation bigint, since {{ instant }} not null,
        decision_id {{ text }}, reason {{ text }}
    );
    create table if not exists {{ degrade_table('copies') }} (
        generation bigint not null, dataset {{ text }} not null, build_id {{ text }} not null,
        as_of {{ instant }}, taken_at {{ instant }} not null, row_count bigint not null, digest {{ text }} not null
    )
{%- endmacro %}

{#- dbt makes the schemas of what was selected; a dataset may be built alone. Only what is missing is made:
    PostgreSQL asks for the right to create even where there is nothing to do. -#}
{% macro make_published_schemas() -%}
    {%- for schema in ('snapshot', 'published') -%}
        {%- if not adapter.check_schema_exists(target.database, schema) -%}
            {%- do run_query('create schema ' ~ schema) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{#- A build and a switch at the same time must not undo each other. The lock (its number has no meaning but
    is that of mbp.degrade.engine) ends with the transaction. -#}
{% macro one_swap_at_a_time() -%}{{ return(adapter.dispatch('one_swap_at_a_time', 'mbp')()) }}{%- endmacro %}
{#- One process has the file. -#}
{% macro duckdb__one_swap_at_a_time() -%}{%- endmacro %}
{% macro postgres__one_swap_at_a_time() -%}
    {%- do run_query('select pg_advisory_xact_lock(4106111)') -%}
{%- endmacro %}
{% macro default__one_swap_at_a_time() -%}{{ unsupported('one_swap_at_a_time') }}{%- endmacro %}

{#- SQL that points the view of readers at `relation`. -#}
{% macro point_readers(relation) -%}{{ return(adapter.dispatch('point_readers', 'mbp')(relation)) }}{%- endmacro %}
{% macro duckdb__point_readers(relation) -%}
    create or replace view {{ published(relation) }} as select * from {{ relation }}
{%- endmacro %}
{#- Replacing keeps privileges, comments and the views that analysts made on it, and is only possible while
    the columns stay. A view that already stands on the table is left alone: no reader waits for nothing. -#}
{% macro postgres__point_readers(relation) -%}
    do $$ begin
        if exists (
            select 1 from pg_depend
            inner join pg_rewrite on pg_rewrite.oid = pg_depend.objid
            where pg_rewrite.ev_class = to_regclass('{{ published(relation) }}')
            and pg_depend.refobjid = '{{ relation }}'::regclass
        ) then return; end if;
        create or replace view {{ published(relation) }} as select * from {{ relation }};
    exception when invalid_table_definition then
        drop view {{ published(relation) }} cascade;
        create view {{ published(relation) }} as select * from {{ relation }};
    end $$
{%- endmacro %}
{% macro default__point_readers(relation) -%}{{ unsupported('point_readers') }}{%- endmacro %}
