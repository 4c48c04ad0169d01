{#- The log position decides which change is in force, so per key it must grow with the commit time,
    and one (position, key) must be one change. The same change delivered again is harmless: its
    content is the same. And each change must say what it is: a row without an arrival would be
    skipped by every increment, an unknown mark would be guessed at. -#}
{% test cdc_order(model, dataset, key_column) %}

{%- set columns = logged_columns(dataset) %}

-- Most keys have one change and nothing to compare; the rest of the work is on the others, found by hashes (two keys of
-- one hash are only compared without need). The log is named in each
-- step: as one separate step it would be kept whole in memory, with every column, and read again from there.
with changed_keys as (

    {{ repeated_keys(change_log(dataset), key_column) }}

),

changes as (

    select *
    from {{ change_log(dataset) }}
    where {{ key_column }} is not null and {{ compact_key(key_column) }} in (select compact_key from changed_keys)

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

told as (

    select
        {{ key_column }},
        log_position,
        case
            when log_position is null or committed_at is null then 'no position or no commit time'
            when loaded_at is null then 'no arrival time'
            when change_operation is null or change_operation not in ('r', 'c', 'u', 'd')
                then 'an operation that is none of r, c, u, d'
            when is_deleted is null then 'a delete mark that is neither true nor false'
            -- In whole microseconds: exact decimals would cost more than all the rest. And only where it may be.
            when
                committed_at > loaded_at
                and {{ epoch_microseconds('committed_at') }} - {{ epoch_microseconds('loaded_at') }}
                > 1000000 * {{ var('mbp_clock_skew_seconds') }}
                then 'arrived before it was committed'
        end as finding
    from {{ change_log(dataset) }}

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
    finding
from told
where finding is not null

union all

select
    {{ key_column }},
    log_position,
    'two changes in one position' as finding
from contents
group by {{ key_column }}, log_position
having count(*) > 1

{% endtest %}
