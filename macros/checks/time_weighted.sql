{#- The five minutes before a quote, as microseconds: the window of the time-weighted average price. -#}
{% macro twap_window_microseconds() -%}300000000{%- endmacro %}
