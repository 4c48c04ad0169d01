{#- PostgreSQL drops the views on a replaced relation with it. Two models that share such views would drop them at
    the same time, each holding what the other needs: a deadlock. One after the other instead: the lock
    (its number has no meaning) ends with the transaction. -#}
{% macro postgres__drop_view(relation) -%}
    select pg_advisory_xact_lock(4106110);
    drop view if exists {{ relation }} cascade
{%- endmacro %}

{% macro postgres__drop_table(relation) -%}
    select pg_advisory_xact_lock(4106110);
    drop table if exists {{ relation }} cascade
{%- endmacro %}
