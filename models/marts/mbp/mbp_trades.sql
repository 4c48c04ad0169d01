{{ config(
    materialized='incremental',
    unique_key='trade_id',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    incremental_predicates=['1 = 0'],
    pre_hook="{{ forget_changed(this, ref('int_mbp__trades_latest'), 'trade_id', 'traded_at', watermark_floor(this, ref('int_mbp__trades_latest'))) }}",
    post_hook=[
        "{{ record_watermark(this, ref('int_mbp__trades_latest')) }}",
        "{{ look_at(this, ref('int_mbp__trades_latest'), 'trade_id', {'quote_id': ref('int_mbp__quotes_latest')}) }}",
    ],
    indexes=indexes_where_useful([{'columns': ['trade_id'], 'unique': true}, {'columns': ['quote_id']}])
) }}

{% set floor = watermark_floor(this, ref('int_mbp__trades_latest')) if is_incremental() else none %}

with latest as (

    select * from {{ ref('int_mbp__trades_latest') }}
    {{ where_arrived_since(floor) }}

),

final as (

    select
        trade_id,
        market_id,
        quote_id,
        side,
        shares,
        price,
        traded_at,
        user_id_hash
    from latest
    where not is_deleted

)

select * from final
