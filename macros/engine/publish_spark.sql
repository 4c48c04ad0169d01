{#- `publish` on Spark: no transaction, no delete, one statement at a time. A view names its table and outlives its
    replacement. What a build published is a partition that is overwritten. -#}
{% macro spark__publish(relation) -%}
    {%- set newest = newest_arrival(relation.identifier) -%}
    {%- if execute -%}
        {%- do make_published_schemas() -%}
        {%- for statement in spark_degrade_tables() -%}{%- do run_query(statement) -%}{%- endfor -%}
        {%- do run_query(point_readers(relation, classified_columns())) -%}
        {%- do run_query(
            'insert overwrite table ' ~ degrade_table('builds') ~ " partition (dataset = '" ~ relation.identifier ~ "')"
            ~ " select '" ~ invocation_id ~ "' as build_id, " ~ newest ~ " as as_of"
        ) -%}
    {%- endif -%}
{%- endmacro %}

{#- `mbp degrade` does not serve Spark, so there is no switch: readers are live, and `data_as_of` can say so. -#}
{% macro spark_degrade_tables() -%}
    {{- return([
        'create table if not exists ' ~ degrade_table('builds')
        ~ ' (build_id string, as_of timestamp, dataset string) using parquet partitioned by (dataset)',
        'create table if not exists ' ~ degrade_table('switches')
        ~ ' (number bigint, mode string, generation bigint, since timestamp, decision_id string, reason string) using parquet',
        'create table if not exists ' ~ degrade_table('copies')
        ~ ' (generation bigint, dataset string, build_id string, as_of timestamp, taken_at timestamp, row_count bigint,'
        ~ ' digest string) using parquet',
    ]) -}}
{%- endmacro %}

{% macro spark__masked_text(name) -%}'…' || left(sha2({{ name }}, 256), 4){%- endmacro %}
{#- One session builds. -#}
{% macro spark__one_swap_at_a_time() -%}{%- endmacro %}
{% macro spark__point_readers(relation, hidden) -%}
    create or replace view {{ published(relation) }} as select {{ masked_columns(relation, hidden) }} from {{ relation }}
{%- endmacro %}
