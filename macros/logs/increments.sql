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
        max(loaded_at) as applied_until,
        '{{ env_var('MBP_RAW', 'sample') }}' as origin
    from {{ log_relation }};
    {%- endif -%}
{%- endmacro %}

{#- Hook of an incremental run: rows whose newest change is a delete leave the table. A model that still
    needs to know the values of the deleted row calls it after its own work. -#}
{% macro forget_deleted(relation, log_relation, key, floor) -%}
    {%- if is_incremental() -%}
    delete from {{ relation }}
    where {{ key }} in (
        select {{ key }} from {{ log_relation }}
        where is_deleted {% if floor is not none %}and loaded_at >= {{ floor }}{% endif %}
    )
    {%- endif -%}
{%- endmacro %}
