{#- Markets with changes in a log since the floor; null: all. -#}
{% macro markets_touched(floor) -%}
    {%- for table in ('markets', 'resolutions', 'quotes') -%}
    select market_id from {{ ref('stg_mbp__' ~ table) }} {{ where_arrived_since(floor) }}
    {%- if not loop.last %} union {% endif %}
    {%- endfor -%}
{%- endmacro %}

{#- Pre-hook of a model with several rows per market, or none: markets that are measured again leave first. -#}
{% macro forget_markets() -%}
    {%- if is_incremental() -%}
    delete from {{ this }} where market_id in ({{ markets_touched(measured_until()) }})
    {%- endif -%}
{%- endmacro %}
