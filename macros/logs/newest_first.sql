{#- Rank of a change within its key, 1 = in force. The log position decides; an identical change that
    was delivered again has the same position, so the first arrival wins and reruns are stable. -#}
{% macro newest_first(key) -%}
    row_number() over (
        partition by {{ key }}
        order by log_position desc nulls last, committed_at desc nulls last, loaded_at asc nulls last
    )
{%- endmacro %}

{#- CTE `ranked`: changes with that rank. Only keys with several changes, found by their hashes, are sorted. The others
    stay in the order of the log, in which they arrived, and so engines skip blocks of a table that is made of them. -#}
{% macro ranked_changes(changes, key) -%}
repeated as (

    select {{ row_hash([key]) }} as key_hash
    from {{ changes }}
    group by {{ row_hash([key]) }}
    having count(*) > 1

),

ranked as (

    select
        *,
        1 as recency
    from {{ changes }}
    where not exists (select 1 from repeated where repeated.key_hash = {{ row_hash(['changes.' ~ key]) }})

    union all

    select
        *,
        {{ newest_first(key) }} as recency
    from {{ changes }}
    where {{ row_hash([key]) }} in (select key_hash from repeated)

)
{%- endmacro %}
