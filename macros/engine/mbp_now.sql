{#- Everything that means "now". MBP_NOW: `wall_clock` (live use), `end_of_data` (replay: the newest
    change in the logs) or a UTC timestamp. The sample is a replay, loaded data is live. -#}
{% macro mbp_now() -%}
    {%- set logs = [] -%}
    {%- for log in change_logs() -%}{%- do logs.append(ref(log.staging)) -%}{%- endfor -%}
    {{- now_over(logs, replayed_at()) -}}
{%- endmacro %}

{#- When a change happened, in a replay. Of the sample its arrival is recorded; outside data arrives when it is loaded,
    which says nothing of its end. -#}
{% macro replayed_at() -%}
    {%- set loaded = env_var('MBP_RAW', 'sample') == 'loaded' and env_var('MBP_NOW', '') == 'end_of_data' -%}
    {{- return('committed_at' if loaded else 'loaded_at') -}}
{%- endmacro %}

{#- "Now" when the end of the data is read from `column` of these change logs. -#}
{% macro now_over(logs, column) -%}
    {%- set default = 'end_of_data' if env_var('MBP_RAW', 'sample') == 'sample' else 'wall_clock' -%}
    {%- set moment = env_var('MBP_NOW', '') or default -%}
    {%- if moment == 'wall_clock' -%}
        cast({{ current_timestamp() }} as {{ type_timestamp_utc() }})
    {%- elif moment == 'end_of_data' -%}
        (
            select max(arrivals.newest)
            from (
                {%- for log in logs %}
                select max({{ column }}) as newest from {{ log }}
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
    {%- set logs = [] -%}
    {%- for log in change_logs() -%}
        {%- do logs.append(source.incorporate(path={'identifier': log.table})) -%}
    {%- endfor -%}
    {%- call statement('collect_freshness', fetch_result=True, auto_begin=False) %}
    select
        max({{ loaded_at_field }}) as max_loaded_at,
        {{ now_over(logs, loaded_at_field) }} as snapshotted_at
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
