{#- How Spark builds tables of Parquet files. dbt-spark drops a table before it builds the new one, and a build that
    fails leaves nothing; here the new one is built beside the old and takes its name when it is done. -#}
{% macro spark_build_table(target_relation, sql) -%}
    {%- set old = adapter.get_relation(database=none, schema=target_relation.schema, identifier=target_relation.identifier) -%}
    {%- set beside = target_relation.incorporate(
        path={'identifier': target_relation.identifier ~ '__dbt_tmp'}, type='table'
    ) -%}
    {%- do adapter.drop_relation(beside) -%}
    {%- call statement('main') -%}
        {{ create_table_as(False, beside, sql) }}
    {%- endcall -%}
    {%- if old is not none -%}{%- do adapter.drop_relation(old) -%}{%- endif -%}
    {%- do adapter.rename_relation(beside, target_relation.incorporate(type='table')) -%}
{%- endmacro %}

{% materialization table, adapter='spark', supported_languages=['sql'] %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks) }}
    {%- do spark_build_table(target_relation, compiled_code) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- Rows of `append` models are added by others (ledger, history of results) and survive; all other models are built
    again from nothing: see rows_can_be_replaced. -#}
{% materialization incremental, adapter='spark', supported_languages=['sql'] %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set appends = config.get('incremental_strategy') == 'append' -%}
    {{ run_hooks(pre_hooks) }}
    {%- if appends and load_relation(this) is not none and not should_full_refresh() -%}
        {%- call statement('main') -%}
            insert into {{ target_relation }} by name
            {{ compiled_code }}
        {%- endcall -%}
    {%- else -%}
        {%- do spark_build_table(target_relation, compiled_code) -%}
        {%- do persist_docs(target_relation, model) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
