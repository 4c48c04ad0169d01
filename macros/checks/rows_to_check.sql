{#- What a row rule of quotes reads. With `mbp_slice_since` empty: all rows. With a UTC timestamp: the rows
    whose newest change arrived since then, less the lookback, whatever their own time is. The lower
    bound on `quoted_at` costs nothing and lets engines skip the blocks of older quotes; a rule that
    must also see null instants or old rows of the same key asks with `bound_by_time=false`. -#}
{% macro rows_to_check(relation, bound_by_time=true) -%}
    {%- set since = var('mbp_slice_since') -%}
    {%- if not since or relation.identifier != 'mbp_quotes' -%}
        {{- return(relation) -}}
    {%- endif -%}
    {%- set log = api.Relation.create(
        database=relation.database, schema='intermediate', identifier='int_mbp__quotes_latest'
    ) -%}
    {%- set moment = modules.datetime.datetime.fromisoformat(utc_instant(since, 'mbp_slice_since')) -%}
    {%- set floor = moment - modules.datetime.timedelta(minutes=var('mbp_lookback_minutes') | int) -%}
    {%- do refuse_empty_slice(log, moment) -%}
    {%- set arrived -%}
        from {{ log }}
        where loaded_at >= cast('{{ floor.strftime("%Y-%m-%d %H:%M:%S.%f") }}+00:00' as {{ type_timestamp_utc() }})
    {%- endset -%}
    {%- set subquery -%}
        (
            select * from {{ relation }}
            where
                quote_id in (select quote_id {{ arrived }})
                {%- if bound_by_time %}
                and quoted_at >= (select min(quoted_at) {{ arrived }})
                {%- endif %}
        ) as rows_to_check
    {%- endset -%}
    {{- return(subquery) -}}
{%- endmacro %}

{#- A slice that begins after the newest arrival holds nothing: nothing would be checked, and pass. -#}
{% macro refuse_empty_slice(log, moment) -%}
    {%- set newest = "select " ~ epoch_microseconds('max(loaded_at)') ~ " as microseconds from " ~ log -%}
    {%- set found = run_query(newest).columns[0].values() | list if execute else [] -%}
    {%- set epoch = modules.datetime.datetime(1970, 1, 1) -%}
    {%- if found and (found[0] is none or moment > epoch + modules.datetime.timedelta(microseconds=found[0] | int)) -%}
        {{ exceptions.raise_compiler_error(
            "mbp_slice_since is " ~ moment ~ ", after the newest arrival in " ~ log ~ ": nothing would be checked"
        ) }}
    {%- endif -%}
{%- endmacro %}

{#- dbt calls this for the `model` of every generic test. Ours adds the slice to the families of rules
    that judge one row at a time (and keys, which must be compared with all older rows). -#}
{% macro get_where_subquery(relation) -%}
    {%- set family = (config.get('meta') or {}).get('family') -%}
    {%- set column = model.column_name if model is defined and model.column_name is defined else none -%}
    {%- if config.get('where') -%}
        {{- return(dbt.default__get_where_subquery(relation)) -}}
    {%- elif family in ['unique', 'not_null'] -%}
        {{- return(rows_to_check(relation, bound_by_time=(column not in ['quote_id', 'quoted_at'])) | string) -}}
    {%- elif family in ['accepted_values', 'foreign_key', 'range', 'pattern', 'length'] -%}
        {{- return(rows_to_check(relation) | string) -}}
    {%- endif -%}
    {{- return(relation) -}}
{%- endmacro %}
