{#- The log position decides which change is in force, so per key it must grow with the commit time,
    and one (position, key) must be one change. The same change delivered again is harmless: its
    content is the same. -#}
{% test cdc_order(model, dataset, key_column) %}

{%- set columns = graph.nodes['model.' ~ project_name ~ '.' ~ dataset].columns.keys() | list if execute else [] %}

with change_log as (

    select * from {{ change_log(dataset) }}

),

-- Most keys have one change and nothing to compare; the rest of the work is on the others.
changed_keys as (

    select {{ key_column }}
    from change_log
    group by {{ key_column }}
    having count(*) > 1

),

changes as (

    select change_log.*
    from change_log
    inner join changed_keys on change_log.{{ key_column }} = changed_keys.{{ key_column }}

),

ordered as (

    select
        {{ key_column }},
        log_position,
        committed_at,
        lag(committed_at) over (
            partition by {{ key_column }}
            order by log_position, committed_at
        ) as previous_committed_at
    from changes

),

contents as (

    select distinct
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        change_operation,
        is_deleted,
        committed_at,
        log_position
    from changes

)

select
    {{ key_column }},
    log_position,
    'the commit time goes back' as finding
from ordered
where committed_at < previous_committed_at

union all

select
    {{ key_column }},
    log_position,
    'no position or no commit time' as finding
from change_log
where log_position is null or committed_at is null

union all

select
    {{ key_column }},
    log_position,
    'two changes in one position' as finding
from contents
group by {{ key_column }}, log_position
having count(*) > 1

{% endtest %}
