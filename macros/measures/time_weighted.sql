{#- The five minutes before a quote, as microseconds: the window of the time-weighted average price. -#}
{% macro twap_window_microseconds() -%}300000000{%- endmacro %}

{#- Rows of int_mbp__quotes_twap whose recorded average is not the recomputed one, within 1e-6. -#}
{% macro twap_differs() -%}abs(twap_5m - recomputed_twap_5m) > 0.000001{%- endmacro %}

{#- Rows whose price is more than 1 % away from its average. -#}
{% macro twap_diverges() -%}divergence_ratio > 0.01{%- endmacro %}
