with changes as (

    select * from {{ ref('stg_mbp__markets') }}
    where market_id is not null

),

deliveries as (

    select
        *,
        row_number() over (
            partition by market_id, log_position
            order by loaded_at asc nulls last
        ) as delivery
    from changes

),

ordered as (

    select
        *,
        row_number() over (
            partition by market_id
            order by log_position, committed_at
        ) as change_number,
        lag(status) over (
            partition by market_id
            order by log_position, committed_at
        ) as previous_status
    from deliveries
    where delivery = 1

),

-- What one row of the log says about time: the status itself from `updated_at`; the end of trading
-- when it was earlier; and, in the first row we have, that trading began at `opened_at`.
transitions as (

    select
        market_id,
        log_position,
        0 as step,
        'open' as status,
        opened_at as effective_at
    from ordered
    where change_number = 1 and opened_at < updated_at and not is_deleted

    union all

    select
        market_id,
        log_position,
        1 as step,
        'closed' as status,
        closed_at as effective_at
    from ordered
    where
        closed_at <= updated_at
        and status in ('closed', 'resolved', 'canceled')
        and (previous_status in ('open', 'paused') or change_number = 1)
        and not is_deleted

    union all

    select
        market_id,
        log_position,
        2 as step,
        case when is_deleted then 'deleted' else status end as status,
        case
            when is_deleted then committed_at
            when status = 'open' then greatest(updated_at, opened_at)
            else updated_at
        end as effective_at
    from ordered

),

-- The log decides the order: a row's clock may not move a status before an earlier one.
placed as (

    select
        market_id,
        log_position,
        step,
        status,
        max(effective_at) over (
            partition by market_id
            order by log_position, step
            rows between unbounded preceding and current row
        ) as valid_from
    from transitions

),

bounded as (

    select
        *,
        lead(valid_from) over (partition by market_id order by log_position, step) as valid_to
    from placed

),

distinct_statuses as (

    select
        *,
        lag(status) over (partition by market_id order by log_position, step) as status_before
    from bounded
    where valid_to is null or valid_to > valid_from

),

merged as (

    select
        market_id,
        status,
        valid_from,
        lead(valid_from) over (partition by market_id order by log_position, step) as valid_to
    from distinct_statuses
    where status is distinct from status_before

),

final as (

    select
        market_id,
        status,
        valid_from,
        valid_to
    from merged
    where status <> 'deleted'

)

select * from final
