{{ config(
    materialized='incremental',
    unique_key='quote_id',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    indexes=indexes_where_useful([{'columns': ['quote_id'], 'unique': true}, {'columns': ['loaded_at']}])
) }}

{% set floor = arrival_floor('select max(loaded_at) as newest from ' ~ this) if is_incremental() else none %}

with changes as (

    select * from {{ ref('stg_mbp__quotes') }}
    {{ where_arrived_since(floor) }}

),

ranked as (

    select
        *,
        {{ newest_first('quote_id') }} as recency
    from changes

),

newest as (

    select
        quote_id,
        market_id,
        quoted_at,
        price,
        volume,
        depth_2pct,
        twap_5m,
        is_deleted,
        log_position,
        loaded_at
    from ranked
    where recency = 1

),

{% if is_incremental() %}
applied as (

    select
        quote_id,
        log_position
    from {{ this }}

),

-- an older change that arrives late, or one delivered again, must not undo a newer one
final as (

    select newest.*
    from newest
    left join applied on newest.quote_id = applied.quote_id
    where applied.quote_id is null or newest.log_position > applied.log_position

)
{% else %}
final as (

    select * from newest

)
{% endif %}

select * from final
