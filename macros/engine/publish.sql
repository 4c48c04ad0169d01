{#- What readers see (docs/degrade.md). Post-hook of a public dataset, in the transaction that puts the new table in its
    place: while readers are live, their view is pointed at it there and then, with the columns and masks of today. While
    they are degraded the view is left alone: it reads the snapshot, which no build touches. -#}
{% macro publish(relation) -%}{{ return(adapter.dispatch('publish', 'mbp')(relation)) }}{%- endmacro %}
{% macro duckdb__publish(relation) -%}{{ return(publish_in_transaction(relation)) }}{%- endmacro %}
{% macro postgres__publish(relation) -%}{{ return(publish_in_transaction(relation)) }}{%- endmacro %}
{% macro default__publish(relation) -%}{{ unsupported('publish') }}{%- endmacro %}

{% macro publish_in_transaction(relation) -%}
    {%- set newest = newest_arrival(relation.identifier) -%}
    {%- if execute -%}
        {%- do one_swap_at_a_time() -%}
        {%- do make_published_schemas() -%}
        {%- if target.type == 'postgres' -%}{%- do install_replace_functions() -%}{%- endif -%}
        {%- do run_query(degrade_tables()) -%}
        {%- do run_query('delete from ' ~ degrade_table('masks') ~ " where dataset = '" ~ relation.identifier ~ "'") -%}
        {%- set hidden = classified_columns() -%}
        {%- do run_query(
            'insert into ' ~ degrade_table('masks') ~ " (dataset, columns) values ('" ~ relation.identifier ~ "', '"
            ~ hidden | join(',') ~ "')"
        ) -%}
        {%- set switch = run_query(
            'select mode from ' ~ degrade_table('switches') ~ ' order by number desc limit 1'
        ).rows -%}
        {%- if switch | length == 0 or switch[0][0] == 'live' -%}
            {{ point_readers(relation, hidden) }};
        {%- endif -%}
        {%- set builds = degrade_table('builds') %}
        delete from {{ builds }} where dataset = '{{ relation.identifier }}';
        insert into {{ builds }} (dataset, build_id, as_of)
        select '{{ relation.identifier }}', '{{ invocation_id }}', {{ newest }};
    {%- endif -%}
{%- endmacro %}

{#- How far the rows of a dataset reach, as an expression: the newest arrival in its change log, or in those that its
    model reads; of a dataset that is made of none the moment of its build. -#}
{% macro newest_arrival(dataset) -%}
    {%- set own = change_logs() | selectattr('dataset', 'equalto', dataset) | map(attribute='latest') | list -%}
    {%- set relations = [] -%}
    {%- for name in own -%}{%- do relations.append(ref(name)) -%}{%- endfor -%}
    {%- if execute and not own -%}{%- do relations.extend(change_logs_read_by(model.unique_id)) -%}{%- endif -%}
    {%- if not relations -%}{{- return(current_timestamp()) -}}{%- endif -%}
    {%- set newest = [] -%}
    {%- for relation in relations -%}{%- do newest.append('select ' ~ newest_of('loaded_at', relation) ~ ' as newest') -%}{%- endfor -%}
    {{- return('(select max(arrivals.newest) from (' ~ newest | join(' union all ') ~ ') as arrivals)') -}}
{%- endmacro %}

{#- The change logs that a model is made of, by lineage. -#}
{% macro change_logs_read_by(unique_id) -%}
    {%- set staging, waiting, relations = change_logs() | map(attribute='staging') | list, [unique_id], [] -%}
    {%- for reached in waiting if reached in graph.nodes -%}
        {%- set node = graph.nodes[reached] -%}
        {%- if node.name in staging -%}{%- do relations.append(node.relation_name) -%}
        {%- else -%}{%- do waiting.extend(node.depends_on.nodes | reject('in', waiting) | list) -%}{%- endif -%}
    {%- endfor -%}
    {{- return(relations) -}}
{%- endmacro %}

{#- The view of a dataset for readers. -#}
{% macro published(relation) -%}
    {{- return(relation.incorporate(path={'schema': 'published'}, type='view')) -}}
{%- endmacro %}

{#- A control table of `mbp degrade`. -#}
{% macro degrade_table(name) -%}
    {{- return(api.Relation.create(database=target.get('database'), schema='snapshot', identifier=name)) -}}
{%- endmacro %}

{#- Columns of the model that readers see masked: all that the contract does not class as open to every reader, as
    OPEN_CLASSES of mbp.contracts.model has it. A column without a class is not open. -#}
{% macro classified_columns() -%}
    {%- set hidden = [] -%}
    {%- for name, column in model.columns.items() -%}
        {%- if (column.config.meta or column.meta or {}).get('classification') not in ('public', 'internal') -%}
            {%- do hidden.append(name) -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(hidden) -}}
{%- endmacro %}

{#- Columns of a relation for readers. What is classified becomes a mark, equal for equal values and too short to find
    the value by trying (mbp.core.masking.mask); of what is no text nothing is left. -#}
{% macro masked_columns(relation, hidden) -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- set name = adapter.quote(column.name) -%}
        {%- if column.name not in hidden -%}{{ name }}
        {%- elif column.is_string() or column.dtype == 'string' -%}{{ masked_text(name) }} as {{ name }}
        {%- else -%}nullif({{ name }}, {{ name }}) as {{ name }}
        {%- endif -%}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- A text as its mark. -#}
{% macro masked_text(name) -%}{{ return(adapter.dispatch('masked_text', 'mbp')(name)) }}{%- endmacro %}
{% macro duckdb__masked_text(name) -%}'…' || left(sha256({{ name }}), 4){%- endmacro %}
{% macro postgres__masked_text(name) -%}
    '…' || left(encode(sha256(convert_to({{ name }}, 'UTF8')), 'hex'), 4)
{%- endmacro %}
{% macro default__masked_text(name) -%}{{ unsupported('masked_text') }}{%- endmacro %}

{#- Control tables of `mbp degrade`. builds: which run of dbt made the rows of a dataset, and how far they
    reach. masks: the columns that are masked for readers, by comma. switches: only ever added to; the newest
    row is in force. copies: the one complete snapshot. -#}
{% macro degrade_tables() -%}
    {%- set text, instant = type_string(), type_timestamp_utc() -%}
    create table if not exists {{ degrade_table('builds') }} (
        dataset {{ text }} not null, build_id {{ text }} not null, as_of {{ instant }}
    );
    create table if not exists {{ degrade_table('masks') }} (dataset {{ text }} not null, columns {{ text }} not null);
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
        {%- if not adapter.check_schema_exists(target.get('database'), schema) -%}
            {%- do run_query('create schema ' ~ schema) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{#- A build and a switch at the same time must not undo each other. The lock (its number has no meaning but
    is that of mbp.operate.degrade.reader_views) ends with the transaction. -#}
{% macro one_swap_at_a_time() -%}{{ return(adapter.dispatch('one_swap_at_a_time', 'mbp')()) }}{%- endmacro %}
{#- One process has the file. -#}
{% macro duckdb__one_swap_at_a_time() -%}{%- endmacro %}
{% macro postgres__one_swap_at_a_time() -%}
    {%- do run_query('select pg_advisory_xact_lock(4106111)') -%}
{%- endmacro %}
{% macro default__one_swap_at_a_time() -%}{{ unsupported('one_swap_at_a_time') }}{%- endmacro %}

{#- SQL that points the view of readers at `relation`, with the columns `hidden` masked. -#}
{% macro point_readers(relation, hidden) -%}
    {{- return(adapter.dispatch('point_readers', 'mbp')(relation, hidden)) -}}
{%- endmacro %}
{% macro duckdb__point_readers(relation, hidden) -%}
    create or replace view {{ published(relation) }} as select {{ masked_columns(relation, hidden) }} from {{ relation }}
{%- endmacro %}
{#- Replacing keeps privileges, comments and the views that analysts made on it. When the columns changed, those views
    are created again; one that needs a removed column is an error, and nothing is published. A view that already
    masks exactly these columns of the table is left alone: no reader waits. (PostgreSQL writes `as` only where the name differs.) -#}
{% macro postgres__point_readers(relation, hidden) -%}
    {%- set columns = masked_columns(relation, hidden) %}
    do $$ begin
        if exists (
            select 1 from pg_depend
            inner join pg_rewrite on pg_rewrite.oid = pg_depend.objid
            where pg_rewrite.ev_class = to_regclass('{{ published(relation) }}')
            and pg_depend.refobjid = '{{ relation }}'::regclass
        ) and (
            select coalesce(array_agg(masked.matches[1] order by masked.matches[1]), '{}')
            from regexp_matches(
                pg_get_viewdef(to_regclass('{{ published(relation) }}')), ' AS "?([a-z0-9_]+)"?', 'g'
            ) as masked (matches)
        ) = array[{% for name in hidden | sort %}'{{ name }}'{{ ', ' if not loop.last }}{% endfor %}]::text[] then return; end if;
        create or replace view {{ published(relation) }} as select {{ columns }} from {{ relation }};
    exception when invalid_table_definition then
        create view {{ make_intermediate_relation(published(relation)) }} as select {{ columns }} from {{ relation }};
        perform snapshot.replace_relation(
            '{{ make_intermediate_relation(published(relation)) }}', '{{ published(relation) }}', array[]::text[]
        );
    end $$
{%- endmacro %}
{% macro default__point_readers(relation, hidden) -%}{{ unsupported('point_readers') }}{%- endmacro %}
