{#- Datasets whose tests read a slice in a daily run: their table is added to, as their model says. -#}
{% macro incremental_datasets() -%}
    {{- return(change_logs() | selectattr('incremental') | map(attribute='dataset') | list) -}}
{%- endmacro %}

{#- Whether this run checks only what is new of a dataset: `dbt build --selector daily` or its part daily_incremental, and the
    dataset is part of it, so that its slice was made in this run before any test reads it. Every other run checks all
    rows, and so does an engine that rebuilds. -#}
{% macro is_daily(dataset) -%}
    {{- return(
        execute and rows_can_be_replaced() and flags.WHICH == 'build' and invocation_args_dict.get('selector') in ('daily', 'daily_incremental')
        and dataset in incremental_datasets() and 'model.' ~ project_name ~ '.' ~ dataset in selected_resources
    ) -}}
{%- endmacro %}

{#- What a row rule of a dataset reads: all rows, in a daily run the slice (see look_at). A rule that judges a row by its
    market names `markets` (and the `intervals` of their status, when it reads them) and the `instant` of the row, and
    then also reads the old rows of markets whose history changed. -#}
{% macro rows_to_check(relation, markets=none, intervals=none, instant=none) -%}
    {%- if not is_daily(relation.identifier) -%}
        {{- return(relation) -}}
    {%- endif -%}
    {%- set at_risk = rows_at_risk(relation, markets, intervals, instant) if markets else '' -%}
    {{- return('(select * from ' ~ slice_of(relation.identifier) ~ at_risk ~ ') as rows_to_check') -}}
{%- endmacro %}

{#- The rows of a dataset that the rows of `referring` (a CTE) name in `column`. In a daily run most are in the slice; the
    dataset itself is read for the rest alone, so not at all where nothing is left: engines skip a scan for no key. -#}
{% macro referred_rows(relation, key, referring, column) -%}
    {%- if not is_daily(relation.identifier) -%}
        {{- return(relation) -}}
    {%- endif -%}
    {%- set slice = slice_of(relation.identifier) %}
    (
        select * from {{ slice }}
        union all
        select * from {{ relation }}
        where {{ key }} in (
            select {{ column }} from {{ referring }}
            where not exists (select 1 from {{ slice }} as slice where slice.{{ key }} = {{ referring }}.{{ column }})
        )
    ) as referred_rows
{%- endmacro %}

{#- dbt calls this for the `model` of every generic test. Ours adds the slice to the families of rules
    that judge one row at a time (and keys: the slice holds all rows of a key that is new). -#}
{% macro get_where_subquery(relation) -%}
    {%- set family = (config.get('meta') or {}).get('family') -%}
    {%- if config.get('where') -%}
        {{- return(dbt.default__get_where_subquery(relation)) -}}
    {%- elif family in sliced_families() -%}
        {%- set markets = referenced_markets() if family == 'foreign_key' and is_daily(relation.identifier) else none -%}
        {{- return(rows_to_check(relation, markets) | string) -}}
    {%- endif -%}
    {{- return(relation) -}}
{%- endmacro %}
