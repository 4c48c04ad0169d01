{#- A literal for the arrival time from which an incremental run must read again: the newest arrival
    already applied (`select_newest` gives it in one column and row), less the declared lookback.
    A literal, not a subquery, so that engines can skip blocks and partitions. Null: read all. -#}
{% macro arrival_floor(select_newest, lookbacks=1) -%}
    {%- set newest -%}
        select {{ epoch_microseconds('applied.newest') }} as microseconds
        from ({{ select_newest }}) as applied
    {%- endset -%}
    {%- set found = run_query(newest).columns[0].values() | list if execute else [] -%}
    {%- if found and found[0] is not none -%}
        {%- set lookback = modules.datetime.timedelta(minutes=lookbacks * var('mbp_lookback_minutes') | int) -%}
        {%- set epoch = modules.datetime.datetime(1970, 1, 1) -%}
        {%- set newest = epoch + modules.datetime.timedelta(microseconds=found[0] | int) -%}
        {#- An arrival that claims to be later than now must not hide the ones before it. One "now" for the whole run:
            its steps begin at the same floor. #}
        {%- set floor = [newest, run_started_at.replace(tzinfo=none)] | min - lookback -%}
        {{- return("cast('" ~ floor.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "+00:00' as " ~ type_timestamp_utc() ~ ")") -}}
    {%- endif -%}
    {{- return(none) -}}
{%- endmacro %}

{#- The instant that a query gives in one row, as a literal: engines skip the blocks before it. None: it gives null. -#}
{% macro instant_of(query) -%}
    {%- set found = run_query('select ' ~ epoch_microseconds('found.instant') ~ ' from (' ~ query ~ ') as found').rows[0][0] -%}
    {{- return(none if found is none else timestamp_literal(found)) -}}
{%- endmacro %}

{#- Restricts a scan of arrivals to what is new since `floor` (see arrival_floor). -#}
{% macro where_arrived_since(floor) -%}
    {%- if floor is not none -%}where loaded_at >= {{ floor }}{%- endif -%}
{%- endmacro %}

{#- Where a dataset without its own arrival times keeps how far its rows were applied. -#}
{% macro watermark_relation(log_relation) -%}
    {{- return(api.Relation.create(
        database=log_relation.database, schema=log_relation.schema, identifier='applied_logs'
    )) -}}
{%- endmacro %}

{#- Increments on top of rows from another origin would publish both. Asked where raw rows enter, so
    that no model is built before it is reported. -#}
{% macro refuse_mixed_origins() -%}
    {%- set marks = watermark_relation(api.Relation.create(database=target.get('database'), schema='intermediate')) -%}
    {%- if execute and not flags.FULL_REFRESH and adapter.get_relation(marks.database, marks.schema, marks.identifier) -%}
        {%- set origin = env_var('MBP_RAW', 'sample') -%}
        {%- set others = run_query("select origin from " ~ marks ~ " where origin <> '" ~ origin ~ "'").rows -%}
        {%- if others | length > 0 -%}
            {{ exceptions.raise_compiler_error(
                "this warehouse was built from " ~ others[0][0] ~ " data, and MBP_RAW=" ~ origin ~ " would be added to it:"
                ~ " run `dbt build --full-refresh` (`mbp build --full-refresh`) once"
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- The arrival floor of `relation`: from its watermark when there is one, else read all. -#}
{% macro watermark_floor(relation, log_relation) -%}
    {%- set watermarks = watermark_relation(log_relation) -%}
    {%- if execute and adapter.get_relation(watermarks.database, watermarks.schema, watermarks.identifier) -%}
        {{- return(arrival_floor(
            "select max(applied_until) as newest from " ~ watermarks
            ~ " where relation_name = '" ~ relation.identifier ~ "'"
        )) -}}
    {%- endif -%}
    {{- return(none) -}}
{%- endmacro %}

{#- Post-hook, in the model's own transaction: how far `relation` has now been applied. A run that
    fails leaves the old mark, so the next one reads again from there. -#}
{% macro record_watermark(relation, log_relation) -%}
    {%- set watermarks = watermark_relation(log_relation) -%}
    {%- if rows_can_be_replaced() -%}
    create table if not exists {{ watermarks }} (
        relation_name {{ type_string() }}, applied_until {{ type_timestamp_utc() }}, origin {{ type_string() }}
    );
    delete from {{ watermarks }} where relation_name = '{{ relation.identifier }}';
    insert into {{ watermarks }}
    select
        '{{ relation.identifier }}' as relation_name,
        {{ newest_of('loaded_at', log_relation) }} as applied_until,
        '{{ env_var('MBP_RAW', 'sample') }}' as origin;
    {%- endif -%}
{%- endmacro %}

{#- The earliest arrival of the keys that changed since `floor`, by their latest state, as a query. -#}
{% macro first_arrival_since(latest, floor) -%}
    select min(arrived.first_loaded_at) from {{ latest }} as arrived where arrived.loaded_at >= {{ floor }}
{%- endmacro %}

{#- All that a table in the order of arrival may know of these keys: engines skip the blocks before. What has no arrival
    (`cdc_order` reports it) is read apart. -#}
{% macro since_first_arrival(relation, latest, floor) -%}
    (
        select * from {{ relation }} where loaded_at >= ({{ first_arrival_since(latest, floor) }})
        union all
        select * from {{ relation }} where loaded_at is null
    )
{%- endmacro %}

{#- Rows of `keys` (a query) leave a table that has them only since an instant (a query) in `column`, or without a value. -#}
{% macro forget_since(relation, key, keys, column, since) -%}
    delete from {{ relation }} where {{ key }} in ({{ keys }}) and {{ column }} is null;
    delete from {{ relation }} where {{ key }} in ({{ keys }}) and {{ column }} >= ({{ since }});
{%- endmacro %}

{#- Pre-hook of a dataset: rows whose keys changed since `floor` leave it; the model adds those that are not deleted. A row
    that was in force at some time says its `instant` in the log. Nothing is left for dbt to replace by its key: the dataset
    says so in its `incremental_predicates`. -#}
{% macro forget_changed(relation, latest, key, instant, floor) -%}
    {%- if is_incremental() -%}
    {%- set staging = (change_logs() | selectattr('latest', 'equalto', latest.identifier) | first).staging -%}
    {%- set log = graph.nodes['model.' ~ project_name ~ '.' ~ staging].relation_name -%}
    {%- set keys = 'select ' ~ key ~ ' from ' ~ latest ~ ' ' ~ where_arrived_since(floor) -%}
    {{ forget_since(relation, key, keys, instant, oldest_touched(log, instant, floor, key, latest)) }}
    {%- endif -%}
{%- endmacro %}

{#- Post-hook of a model that still needed the values of deleted rows: those whose newest change is a delete leave. The
    floor is the one in the compiled model: its own work has moved the mark. -#}
{% macro forget_deleted(relation, latest, key) -%}
    {%- set floor = literal_in_model('read again from') -%}
    {%- if floor -%}
    {%- set keys = 'select ' ~ key ~ ' from ' ~ latest ~ ' where is_deleted and loaded_at >= ' ~ floor -%}
    {{ forget_since(relation, key, keys, 'loaded_at', first_arrival_since(latest, floor)) }}
    {%- endif -%}
{%- endmacro %}

{#- A literal that a compiled model names in a comment, for its hooks: changes arrive while a build runs, so a second
    question could have another answer. -#}
{% macro literal_in_model(label) -%}
    {%- set found = modules.re.search('/[*] ' ~ label ~ ': (.+) [*]/', model.get('compiled_code') or '') -%}
    {{- return(found.group(1) if found else none) -}}
{%- endmacro %}
