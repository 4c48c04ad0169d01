{#- The one value of a query, asked once in a run of dbt and kept in `graph`, which all nodes of the run see. Under the
    run's id: what another run found says nothing. -#}
{% macro asked_once(what, query) -%}
    {%- set place = what ~ ' ' ~ invocation_id -%}
    {%- if place not in graph -%}
        {%- do graph.update({place: run_query(query).rows[0][0]}) -%}
    {%- endif -%}
    {{- return(graph[place]) -}}
{%- endmacro %}
