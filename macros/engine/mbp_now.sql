{#- Everything that means "now". MBP_NOW: `wall_clock` (live use), `end_of_data` (replay: the newest
    arrival in the change logs) or a UTC timestamp. The sample is a replay, loaded data is live. -#}
{% macro mbp_now() -%}
    {%- set default = 'end_of_data' if env_var('MBP_RAW', 'sample') == 'sample' else 'wall_clock' -%}
    {%- set moment = env_var('MBP_NOW', '') or default -%}
    {%- if moment == 'wall_clock' -%}
        cast({{ current_timestamp() }} as {{ type_timestamp_utc() }})
    {%- elif moment == 'end_of_data' -%}
        (
            select max(arrivals.newest)
            from (
                {%- for table in ['markets', 'quotes', 'resolutions', 'abuse_events'] %}
                select max(loaded_at) as newest from {{ ref('stg_mbp__' ~ table) }}
                {%- if not loop.last %} union all{% endif %}
                {%- endfor %}
            ) as arrivals
        )
    {%- else -%}
        cast('{{ modules.datetime.datetime.fromisoformat(moment.replace(' ', 'T')).strftime('%Y-%m-%d %H:%M:%S.%f') }}+00:00' as {{ type_timestamp_utc() }})
    {%- endif -%}
{%- endmacro %}
