{#- Everything that means "now". MBP_NOW: `wall_clock` (live use), `end_of_data` (replay: the newest
    change in the logs) or a UTC timestamp. The sample is a replay, loaded data is live. -#}
{% macro mbp_now() -%}
    {%- set ends = [] -%}
    {%- for log in change_logs() -%}{%- do ends.append(end_of_log(log)) -%}{%- endfor -%}
    {{- now_over(ends) -}}
{%- endmacro %}

{#- When the newest change of a log happened, in a replay, as a query. Of the sample its arrival is recorded; outside data
    arrives when it is loaded, which says nothing of its end. The maximum of a stored column costs engines no scan. -#}
{% macro end_of_log(log) -%}
    {%- if env_var('MBP_RAW', 'sample') == 'loaded' and env_var('MBP_NOW', '') == 'end_of_data' -%}
        select {{ timestamp_from_milliseconds('max(__source_ts_ms)') }} as newest from {{ source('raw_mbp', log.table) }}
    {%- else -%}
        select max(loaded_at) as newest from {{ ref(log.staging) }}
    {%- endif -%}
{%- endmacro %}

{#- "Now", when the end of the data is the newest instant that these queries give. -#}
{% macro now_over(ends) -%}
    {%- set default = 'end_of_data' if env_var('MBP_RAW', 'sample') == 'sample' else 'wall_clock' -%}
    {%- set moment = env_var('MBP_NOW', '') or default -%}
    {%- if moment == 'wall_clock' -%}
        cast({{ current_timestamp() }} as {{ type_timestamp_utc() }})
    {%- elif moment == 'end_of_data' -%}
        (
            select max(arrivals.newest)
            from (
                {%- for end in ends %}
                {{ end }}
                {%- if not loop.last %} union all{% endif %}
                {%- endfor %}
            ) as arrivals
        )
    {%- else -%}
        cast('{{ utc_instant(moment, 'MBP_NOW') }}+00:00' as {{ type_timestamp_utc() }})
    {%- endif -%}
{%- endmacro %}

{#- `dbt source freshness` compares with the wall clock; ours with the project's "now", so that a replay
    is judged by its own end. -#}
{% macro default__collect_freshness(source, loaded_at_field, filter) %}
    {%- set ends = [] -%}
    {%- for log in change_logs() -%}
        {%- set relation = source.incorporate(path={'identifier': log.table}) -%}
        {%- do ends.append('select max(' ~ loaded_at_field ~ ') as newest from ' ~ relation) -%}
    {%- endfor -%}
    {%- call statement('collect_freshness', fetch_result=True, auto_begin=False) %}
    select
        max({{ loaded_at_field }}) as max_loaded_at,
        {{ now_over(ends) }} as snapshotted_at
    from {{ source }}
    {% if filter %}where {{ filter }}{% endif %}
    {%- endcall -%}
    {%- set found = load_result('collect_freshness') -%}
    {%- do refuse_future_arrivals(source, found.table.rows[0]) -%}
    {{ return(found) }}
{% endmacro %}

{#- dbt takes an arrival in the future for the freshest of all. -#}
{% macro refuse_future_arrivals(source, row) -%}
    {%- set skew = modules.datetime.timedelta(seconds=var('mbp_clock_skew_seconds') | int) -%}
    {%- if row[0] is not none and row[1] is not none and row[0] > row[1] + skew -%}
        {{ exceptions.raise_compiler_error(
            source ~ ": the newest arrival, " ~ row[0] ~ ", lies after now, " ~ row[1]
            ~ ": a clock is wrong, so its freshness cannot be told. Correct _loaded_at or MBP_NOW"
        ) }}
    {%- endif -%}
{%- endmacro %}

{#- A UTC instant given by a user, as text without its zone; anything else is refused by name. -#}
{% macro utc_instant(text, name) -%}
    {%- if modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?Z?', text | string) -%}
        {{- return((text | string).replace('T', ' ').rstrip('Z')) -}}
    {%- endif -%}
    {{ exceptions.raise_compiler_error(
        name ~ " is '" ~ text ~ "'; expected " ~ ("wall_clock, end_of_data or " if name == 'MBP_NOW' else "")
        ~ "a UTC instant like 2026-01-05 12:00:00, without an offset"
    ) }}
{%- endmacro %}
