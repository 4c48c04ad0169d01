{#- The one place that decides where raw rows come from: the committed sample (seeds) or what
    `mbp load` and CDC filled. The two live in different schemas, so neither can overwrite the other.
    `family` is mbp (change logs) or ops (telemetry). -#}
{% macro raw_log(family, table) -%}
    {%- set origin = env_var('MBP_RAW', 'sample') -%}
    {%- if origin == 'sample' -%}
        {{ ref('raw_' ~ family ~ '__' ~ table) }}
    {%- elif origin == 'loaded' -%}
        {{ source('raw_' ~ family, table) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error(
            "MBP_RAW is '" ~ origin ~ "'; expected 'sample' (the committed seeds) or 'loaded' (raw_mbp, raw_ops)"
        ) }}
    {%- endif -%}
{%- endmacro %}

{#- The typed change log of a public dataset, by the dataset's name. -#}
{% macro change_log(dataset) -%}
    {{ ref('stg_mbp__' ~ dataset.removeprefix('mbp_')) }}
{%- endmacro %}
