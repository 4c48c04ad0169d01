{#- Whether this run checks only what is new: `dbt build --selector daily` or its part daily_quotes, and the dataset
    is part of it, so that its slice was made in this run before any test reads it. Every other run checks all
    rows, and so does an engine that rebuilds. -#}
{% macro is_daily() -%}
    {{- return(
        execute and rows_can_be_replaced() and flags.WHICH == 'build' and invocation_args_dict.get('selector') in ('daily', 'daily_quotes')
        and 'model.' ~ project_name ~ '.mbp_quotes' in selected_resources
    ) -}}
{%- endmacro %}

{#- What a row rule of quotes reads: all rows, in a daily run the slice (see look_at). A rule that judges a quote by its
    market names `markets` (and the `intervals` of their status, when it reads them), and then also reads the old
    quotes of markets whose history changed. -#}
{% macro rows_to_check(relation, markets=none, intervals=none) -%}
    {%- if not is_daily() or relation.identifier != 'mbp_quotes' -%}
        {{- return(relation) -}}
    {%- endif -%}
    {%- set slice = verification_table('quotes_to_check') -%}
    {%- set at_risk = quotes_at_risk(relation, slice, markets, intervals) if markets else '' -%}
    {{- return('(select * from ' ~ slice ~ at_risk ~ ') as rows_to_check') -}}
{%- endmacro %}

{#- dbt calls this for the `model` of every generic test. Ours adds the slice to the families of rules
    that judge one row at a time (and keys: the slice holds all rows of a key that is new). -#}
{% macro get_where_subquery(relation) -%}
    {%- set family = (config.get('meta') or {}).get('family') -%}
    {%- if config.get('where') -%}
        {{- return(dbt.default__get_where_subquery(relation)) -}}
    {%- elif family in sliced_families() -%}
        {#- Of quotes there is one reference: to their market. #}
        {%- set markets = ref('mbp_markets') if family == 'foreign_key' and is_daily() and relation.identifier == 'mbp_quotes' else none -%}
        {{- return(rows_to_check(relation, markets) | string) -}}
    {%- endif -%}
    {{- return(relation) -}}
{%- endmacro %}
