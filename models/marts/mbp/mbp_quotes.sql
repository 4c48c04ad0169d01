{{ config(
    materialized='incremental',
    unique_key='quote_id',
    incremental_strategy='delete+insert',
    on_schema_change='fail',
    incremental_predicates=['1 = 0'],
    pre_hook="{{ forget_changed(this, ref('int_mbp__quotes_latest'), 'quote_id', 'quoted_at', watermark_floor(this, ref('int_mbp__quotes_latest'))) }}",
    post_hook=[
        "{{ record_watermark(this, ref('int_mbp__quotes_latest')) }}",
        "{{ look_at(this, ref('int_mbp__quotes_latest'), 'quote_id') }}",
    ],
    indexes=indexes_where_useful([{'columns': ['quote_id'], 'unique': true}, {'columns': ['market_id', 'quoted_at']}])
) }}

{% set floor = watermark_floor(this, ref('int_mbp__quotes_latest')) if is_incremental() else none %}

with latest as (

    select * from {{ ref('int_mbp__quotes_latest') }}
    {{ where_arrived_since(floor) }}

),

final as (

    select
        quote_id,
        market_id,
        quoted_at,
        price,
        volume,
        depth_2pct,
        twap_5m
    from latest
    where not is_deleted

)

select * from final
