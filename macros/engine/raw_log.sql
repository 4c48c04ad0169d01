{#- The one place that decides where raw rows come from: the committed sample (seeds) or what
    `mbp load` and CDC filled. The two live in different schemas, so neither can overwrite the other.
    `family` is mbp (change logs) or ops (telemetry). -#}
{% macro raw_log(family, table) -%}
    {%- set origin = env_var('MBP_RAW', 'sample') -%}
    {%- do refuse_mixed_origins() -%}
    {%- if origin == 'sample' -%}
        {%- do refuse_sample_over_loaded(family, table) -%}
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
    {{ ref((change_logs() | selectattr('dataset', 'equalto', dataset) | first).staging) }}
{%- endmacro %}

{#- Columns of a public dataset that its change log has too: all but those that its model computes. -#}
{% macro logged_columns(dataset) -%}
    {%- set names = [] -%}
    {%- set columns = graph.nodes['model.' ~ project_name ~ '.' ~ dataset].columns if execute else {} -%}
    {%- set absent = var('absent_columns', {}).get(dataset, []) -%}
    {%- for name, column in columns.items() if not (column.config.meta or column.meta or {}).get('derived') -%}
        {%- if name not in absent -%}{%- do names.append(name) -%}{%- endif -%}
    {%- endfor -%}
    {{- return(names) -}}
{%- endmacro %}

{#- A forgotten MBP_RAW must not replace the public datasets of a live warehouse with the sample. -#}
{% macro refuse_sample_over_loaded(family, table) -%}
    {%- set loaded = adapter.get_relation(target.get('database'), 'raw_' ~ family, table) if execute else none -%}
    {%- if loaded and run_query('select 1 as found from ' ~ loaded ~ ' limit 1').rows | length > 0 -%}
        {{ exceptions.raise_compiler_error(
            loaded ~ " holds loaded data, and MBP_RAW=sample would publish the sample in its place: set "
            ~ "MBP_RAW=loaded, or give the sample a warehouse of its own (MBP_DUCKDB_PATH, MBP_PG_DATABASE)"
        ) }}
    {%- endif -%}
{%- endmacro %}

{#- What `mbp load` noted of each load; none where nothing was loaded, or the sample is read. -#}
{% macro noted_loads() -%}
    {%- set loads = execute and env_var('MBP_RAW', 'sample') == 'loaded' -%}
    {{- return(adapter.get_relation(target.get('database'), 'raw_mbp', '_loads') if loads else none) -}}
{%- endmacro %}
