{#- What sqlfluff's plain jinja templater needs to know of the project's macros: the shape, not the meaning.
    It lints without a database and in a second; dbt itself compiles the real ones. -#}
{% macro raw_log(family, table) %}raw_{{ family }}.{{ table }}{% endmacro %}
{% macro type_string() %}varchar{% endmacro %}
{% macro type_double() %}double precision{% endmacro %}
{% macro type_timestamp_utc() %}timestamptz{% endmacro %}
{% macro timestamp_from_milliseconds(expression) %}to_timestamp({{ expression }}){% endmacro %}
{% macro timestamp_from_nanoseconds(expression) %}to_timestamp({{ expression }}){% endmacro %}
{% macro beginning_of_time() %}timestamptz '-infinity'{% endmacro %}
{% macro end_of_time() %}timestamptz 'infinity'{% endmacro %}
{% macro epoch_microseconds(expression) %}epoch_us({{ expression }}){% endmacro %}
{% macro seconds_between(earlier, later) %}({{ later }} - {{ earlier }}){% endmacro %}
{% macro change_log_columns() %}loaded_at{% endmacro %}
{% macro newest_first(key) %}row_number() over (partition by {{ key }} order by log_position){% endmacro %}
{% macro twap_window_microseconds() %}300000000{% endmacro %}
{% macro arrival_floor(select_newest, lookbacks=1) %}current_timestamp{% endmacro %}
{% macro newest_of(column, relation) %}current_timestamp{% endmacro %}
{% macro watermark_floor(relation, log_relation) %}current_timestamp{% endmacro %}
{% macro where_arrived_since(floor) %}{% endmacro %}
{% macro forget_deleted(relation, latest, key) %}{% endmacro %}
{% macro forget_changed(relation, latest, key, instant, floor) %}{% endmacro %}
{% macro since_first_arrival(relation, latest, floor) %}{{ relation }}{% endmacro %}
{% macro record_watermark(relation, log_relation) %}{% endmacro %}
{% macro indexes_where_useful(indexes) %}{% endmacro %}
{% macro index_of_exceptions(relation, columns, predicate) %}{% endmacro %}
{% macro rows_to_check(relation, markets=none, intervals=none, instant=none) %}{{ relation }}{% endmacro %}
{% macro referred_rows(relation, key, referring, column) %}{{ relation }}{% endmacro %}
{% macro twap_differs() %}twap_5m > recomputed_twap_5m{% endmacro %}
{% macro twap_diverges() %}divergence_ratio > 0.01{% endmacro %}
{% macro look_at(relation, log, key, parents={}) %}{% endmacro %}
{% macro keep_market_history(markets, intervals) %}{% endmacro %}
{% macro rows_can_be_replaced() %}{% endmacro %}
{% macro build_verifies(dataset) %}{% endmacro %}
{% macro existing_relation(name) %}{% endmacro %}
{% macro refuse_mixed_origins() %}{% endmacro %}
{% macro utc_date(expression) %}cast({{ expression }} as date){% endmacro %}
{% macro day_start(expression) %}cast({{ expression }} as timestamptz){% endmacro %}
{% macro mbp_now() %}current_timestamp{% endmacro %}
{% macro current_timestamp() %}current_timestamp{% endmacro %}
{% macro window_number(expression, minutes) %}cast({{ expression }} as bigint){% endmacro %}
{% macro window_start(number, minutes) %}to_timestamp({{ number }}){% endmacro %}
{% macro number_series(relation, first, last) %}select {{ first }} as number from {{ relation }}{% endmacro %}
{% macro windows_to_measure(touched, minutes) %}select 1 as first_window, 2 as last_window{% endmacro %}
{% macro measured_until() %}current_timestamp{% endmacro %}
{% macro oldest_touched(log, column, floor, key=none, latest=none) %}select 1{% endmacro %}
{% macro inside_bounds(number) %}{{ number }} > (select bounds.first_window from bounds){% endmacro %}
{% macro rolling_sum(column, kpi_id, order='window_start') %}sum({{ column }}) over (order by {{ order }}){% endmacro %}
{% macro measurement(kpi_id, value, samples, entity="'all'", compared='null', confirmed='true', anyway='false') %}select '{{ kpi_id }}' as kpi_id, {{ entity }} as entity, {{ value }} as value{% endmacro %}
{% macro forget_windows(log, column, key, minutes) %}{% endmacro %}
{% macro arrived_since_bounds(bounds, minutes) %}{% endmacro %}
{% macro degrade_table(name) %}snapshot.{{ name }}{% endmacro %}
{% macro utc_timestamp(expression) %}cast({{ expression }} as timestamp){% endmacro %}
{% macro markets_touched(floor) %}select 1{% endmacro %}
{% macro forget_markets() %}{% endmacro %}
{% macro time_spine(minutes, name) %}select 1 as {{ name }}{% endmacro %}
{% macro quoted(name) %}"{{ name }}"{% endmacro %}
{% macro measured_again_from(touched, minutes) %}current_timestamp{% endmacro %}
{% macro measured_again(column, first, minutes_before=0) %}{{ column }} is not null{% endmacro %}
{% macro windows_from(first, touched, minutes) %}select 1 as first_window, 2 as last_window{% endmacro %}
{% macro latest_change(staging, key) %}select {{ key }} from {{ staging }}{% endmacro %}
{% macro noted_loads() %}raw_mbp._loads{% endmacro %}
{% macro end_of_log(log) %}select current_timestamp as newest{% endmacro %}
{% macro may_repeat(log, first) %}log_position is not null{% endmacro %}
