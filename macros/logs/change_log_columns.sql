{#- What Debezium's flattened columns say of a change, typed: the same for every change log. -#}
{% macro change_log_columns() -%}
    cast(__op as {{ type_string() }}) as change_operation,
    {#- Null where the mark is not one of Debezium's: `cdc_order` reports it, nothing is guessed. #}
    case
        when __op = 'd' or __deleted = 'true' then true
        when __deleted = 'false' or __deleted is null then false
    end as is_deleted,
    cast(__source_lsn as bigint) as log_position,
    {{ timestamp_from_milliseconds('__source_ts_ms') }} as committed_at,
    cast(_loaded_at as {{ type_timestamp_utc() }}) as loaded_at
{%- endmacro %}
