{#- Rank of a change within its key, 1 = in force. The log position decides; an identical change that
    was delivered again has the same position, so the first arrival wins and reruns are stable. -#}
{% macro newest_first(key) -%}
    row_number() over (
        partition by {{ key }}
        order by log_position desc nulls last, committed_at desc nulls last, loaded_at asc nulls last
    )
{%- endmacro %}
