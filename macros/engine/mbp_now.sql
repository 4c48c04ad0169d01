{#- Everything that means "now". MBP_NOW: `wall_clock` (live use), `end_of_data` (replay: the newest
    arrival in the change logs) or a UTC timestamp. The sample is a replay, loaded data is live. -#}
{% macro mbp_now() -%}
    {%- set logs = [] -%}
    {%- for table in change_log_tables() -%}{%- do logs.append(ref('stg_mbp__' ~ table)) -%}{%- endfor -%}
    {{- now_over(logs, 'loaded_at') -}}
{%- endmacro %}

{% macro change_log_tables() -%}
    {{- return(['markets', 'quotes', 'resolutions', 'abuse_events']) -}}
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
    {%- elif modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?Z?', moment) -%}
        cast('{{ moment.replace("T", " ").rstrip("Z") }}+00:00' as {{ type_timestamp_utc() }})
    {%- else -%}
        {{ exceptions.raise_compiler_error(
            "MBP_NOW is '" ~ moment ~ "'; expected wall_clock, end_of_data or a UTC instant like 2026-01-05 12:00:00"
        ) }}
    {%- endif -%}
{%- endmacro %}

{#- `dbt source freshness` compares with the wall clock; ours with the project's "now", so that a replay
    is judged by its own end. -#}
{% macro default__collect_freshness(source, loaded_at_field, filter) %}
    {%- set logs = [] -%}
    {%- for table in change_log_tables() -%}
        {%- do logs.append(source.incorporate(path={'identifier': table})) -%}
    {%- endfor -%}
    {%- call statement('collect_freshness', fetch_result=True, auto_begin=False) %}
    select
        max({{ loaded_at_field }}) as max_loaded_at,
        {{ now_over(logs, loaded_at_field) }} as snapshotted_at
    from {{ source }}
    {% if filter %}where {{ filter }}{% endif %}
    {%- endcall -%}
    {{ return(load_result('collect_freshness')) }}
{% endmacro %}
