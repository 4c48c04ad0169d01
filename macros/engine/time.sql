{#- An instant in UTC with microseconds. -#}
{% macro type_timestamp_utc() -%}{{ return(adapter.dispatch('type_timestamp_utc', 'mbp')()) }}{%- endmacro %}
{% macro duckdb__type_timestamp_utc() -%}timestamptz{%- endmacro %}
{% macro postgres__type_timestamp_utc() -%}timestamptz{%- endmacro %}
{% macro spark__type_timestamp_utc() -%}timestamp{%- endmacro %}
{% macro default__type_timestamp_utc() -%}{{ unsupported('type_timestamp_utc') }}{%- endmacro %}

{#- No instant is before the one or after the other: an interval without an end needs no null. -#}
{% macro beginning_of_time() -%}{{ return(adapter.dispatch('beginning_of_time', 'mbp')()) }}{%- endmacro %}
{% macro spark__beginning_of_time() -%}timestamp '0001-01-01 00:00:00'{%- endmacro %}
{% macro default__beginning_of_time() -%}cast('-infinity' as {{ type_timestamp_utc() }}){%- endmacro %}
{% macro end_of_time() -%}{{ return(adapter.dispatch('end_of_time', 'mbp')()) }}{%- endmacro %}
{% macro spark__end_of_time() -%}timestamp '9999-12-31 23:59:59.999999'{%- endmacro %}
{% macro default__end_of_time() -%}cast('infinity' as {{ type_timestamp_utc() }}){%- endmacro %}

{#- The instant of a Unix time in whole milliseconds. -#}
{% macro timestamp_from_milliseconds(expression) -%}
    {{ return(adapter.dispatch('timestamp_from_milliseconds', 'mbp')(expression)) }}
{%- endmacro %}
{% macro duckdb__timestamp_from_milliseconds(expression) -%}
    make_timestamptz(cast({{ expression }} as bigint) * 1000)
{%- endmacro %}
{% macro postgres__timestamp_from_milliseconds(expression) -%}
    (timestamptz 'epoch' + cast({{ expression }} as bigint) * interval '1 millisecond')
{%- endmacro %}
{% macro spark__timestamp_from_milliseconds(expression) -%}
    timestamp_millis(cast({{ expression }} as bigint))
{%- endmacro %}
{% macro default__timestamp_from_milliseconds(expression) -%}
    {{ unsupported('timestamp_from_milliseconds') }}
{%- endmacro %}

{#- The instant of a Unix time in nanoseconds, cut to microseconds. -#}
{% macro timestamp_from_nanoseconds(expression) -%}
    {{ return(adapter.dispatch('timestamp_from_nanoseconds', 'mbp')(expression)) }}
{%- endmacro %}
{% macro duckdb__timestamp_from_nanoseconds(expression) -%}
    make_timestamptz(cast({{ expression }} as bigint) // 1000)
{%- endmacro %}
{#- Whole seconds and the rest apart: an interval is built from a double, which cannot hold both. -#}
{% macro postgres__timestamp_from_nanoseconds(expression) -%}
    (
        timestamptz 'epoch'
        + (cast({{ expression }} as bigint) / 1000000000) * interval '1 second'
        + (cast({{ expression }} as bigint) % 1000000000 / 1000) * interval '1 microsecond'
    )
{%- endmacro %}
{% macro spark__timestamp_from_nanoseconds(expression) -%}
    timestamp_micros(cast({{ expression }} as bigint) div 1000)
{%- endmacro %}
{% macro default__timestamp_from_nanoseconds(expression) -%}
    {{ unsupported('timestamp_from_nanoseconds') }}
{%- endmacro %}

{#- Whole microseconds since 1970-01-01 00:00 UTC, as bigint. -#}
{% macro epoch_microseconds(expression) -%}
    {{ return(adapter.dispatch('epoch_microseconds', 'mbp')(expression)) }}
{%- endmacro %}
{% macro duckdb__epoch_microseconds(expression) -%}epoch_us({{ expression }}){%- endmacro %}
{% macro postgres__epoch_microseconds(expression) -%}
    cast(extract(epoch from {{ expression }}) * 1000000 as bigint)
{%- endmacro %}
{% macro spark__epoch_microseconds(expression) -%}unix_micros({{ expression }}){%- endmacro %}
{% macro default__epoch_microseconds(expression) -%}{{ unsupported('epoch_microseconds') }}{%- endmacro %}

{#- The literal of an instant in microseconds since 1970, so that engines can skip blocks by it. -#}
{% macro timestamp_literal(microseconds) -%}
    {%- set instant = modules.datetime.datetime(1970, 1, 1) + modules.datetime.timedelta(microseconds=microseconds | int) -%}
    {{- return("cast('" ~ instant.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "+00:00' as " ~ type_timestamp_utc() ~ ")") -}}
{%- endmacro %}

{#- Seconds from one instant to another, with microseconds, as decimal(18,6). A product with more decimals than that would
    be rounded, which takes DuckDB seventy times as long. -#}
{% macro seconds_between(earlier, later) -%}
    cast(
        cast({{ epoch_microseconds(later) }} - {{ epoch_microseconds(earlier) }} as decimal(18, 0)) * 0.000001
        as decimal(18, 6)
    )
{%- endmacro %}

{% macro unsupported(macro_name) -%}
    {{ exceptions.raise_compiler_error(macro_name ~ ' is not supported on ' ~ target.type) }}
{%- endmacro %}

{#- The day of an instant, in UTC. -#}
{% macro utc_date(expression) -%}{{ return(adapter.dispatch('utc_date', 'mbp')(expression)) }}{%- endmacro %}
{% macro duckdb__utc_date(expression) -%}cast(({{ expression }}) at time zone 'UTC' as date){%- endmacro %}
{% macro postgres__utc_date(expression) -%}cast(({{ expression }}) at time zone 'UTC' as date){%- endmacro %}
{#- A cast would take the day of the session's zone. -#}
{% macro spark__utc_date(expression) -%}
    date_from_unix_date(cast(floor(unix_micros({{ expression }}) / 86400000000.0) as int))
{%- endmacro %}
{% macro default__utc_date(expression) -%}{{ unsupported('utc_date') }}{%- endmacro %}

{#- The first instant of a day, in UTC. -#}
{% macro day_start(expression) -%}{{ return(adapter.dispatch('day_start', 'mbp')(expression)) }}{%- endmacro %}
{% macro duckdb__day_start(expression) -%}(cast({{ expression }} as timestamp) at time zone 'UTC'){%- endmacro %}
{% macro postgres__day_start(expression) -%}(cast({{ expression }} as timestamp) at time zone 'UTC'){%- endmacro %}
{% macro spark__day_start(expression) -%}
    timestamp_seconds(unix_date({{ expression }}) * 86400L)
{%- endmacro %}
{% macro default__day_start(expression) -%}{{ unsupported('day_start') }}{%- endmacro %}

{#- An instant as the clock in UTC shows it: a timestamp without a zone, which no session setting moves. -#}
{% macro utc_timestamp(expression) -%}{{ return(adapter.dispatch('utc_timestamp', 'mbp')(expression)) }}{%- endmacro %}
{% macro duckdb__utc_timestamp(expression) -%}(({{ expression }}) at time zone 'UTC'){%- endmacro %}
{% macro postgres__utc_timestamp(expression) -%}(({{ expression }}) at time zone 'UTC'){%- endmacro %}
{% macro spark__utc_timestamp(expression) -%}
    timestampadd(microsecond, unix_micros({{ expression }}), timestamp_ntz'1970-01-01 00:00:00')
{%- endmacro %}
{% macro default__utc_timestamp(expression) -%}{{ unsupported('utc_timestamp') }}{%- endmacro %}
