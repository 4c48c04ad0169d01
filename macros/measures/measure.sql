{#- Windows that a measuring model has to compute, as one row (first_window, last_window): the complete ones from
    the oldest that something touched to the newest. `touched` are queries that give one instant each,
    `oldest_at`: of the whole log, or of what arrived since the floor. A wrong clock of years ago must not
    demand a million windows: nothing is measured farther back than `mbp_kpi_days`. -#}
{% macro windows_to_measure(touched, minutes) -%}
    select
        greatest(
            {% if is_incremental() -%}
            least(
                coalesce(
                    (select {{ window_number('max(applied.window_start)', minutes) }} + 1 from {{ this }} as applied),
                    clock.last_window
                ),
            {% else -%}
            (
            {% endif %}
                coalesce({{ window_number('oldest.oldest_at', minutes) }}, clock.last_window + 1)
            ),
            clock.last_window - {{ var('mbp_kpi_days') | int * 1440 // minutes }}
        ) as first_window,
        clock.last_window
    from (select {{ window_number(mbp_now(), minutes) }} - 1 as last_window) as clock
    cross join (
        select min(touched.oldest_at) as oldest_at
        from (
            {%- for query in touched %}
            {{ query }}
            {%- if not loop.last %}
            union all
            {%- endif %}
            {%- endfor %}
        ) as touched
    ) as oldest
{%- endmacro %}

{#- Where the first window to measure again begins, as a literal: engines skip what is older. None: everything is
    measured. -#}
{% macro measured_again_from(touched, minutes) -%}
    {%- if not is_incremental() or not execute -%}
        {{- return(none) -}}
    {%- endif -%}
    {{- return(instant_of(
        'select ' ~ window_start('bounds.first_window', minutes) ~ ' as instant from (' ~ windows_to_measure(touched, minutes) ~ ') as bounds'
    )) -}}
{%- endmacro %}

{#- The windows from there to the newest complete one, as windows_to_measure has them. `forget_windows` reads the comment. -#}
{% macro windows_from(first, touched, minutes) -%}
    {%- if first is none -%}
    {{ windows_to_measure(touched, minutes) }}
    {%- else -%}
    /* measured again from: {{ first }} */
    select {{ window_number(first, minutes) }} as first_window, {{ window_number(mbp_now(), minutes) }} - 1 as last_window
    {%- endif -%}
{%- endmacro %}

{#- Whether a row is in those windows, or so many minutes before; true where everything is measured. -#}
{% macro measured_again(column, first, minutes_before=0) -%}
    {%- if first is none -%}
    1 = 1
    {%- else -%}
    {{ column }} >= {{ first }}{% if minutes_before %} - interval '{{ minutes_before }} minutes'{% endif %}
    {%- endif -%}
{%- endmacro %}

{#- Whether a change before those windows may have been delivered again in them: only positions from the least of theirs on. -#}
{% macro may_repeat(log, first) -%}
    {%- if first is none -%}
    1 = 1
    {%- else -%}
    (
        loaded_at >= {{ first }}
        or log_position is null
        or log_position >= (
            select min(again.log_position) from {{ log }} as again
            where again.loaded_at >= {{ first }} and again.change_operation <> 'r'
        )
    )
    {%- endif -%}
{%- endmacro %}

{#- Pre-hook of a measuring model that has no row for an empty window: what is measured again leaves first, or a
    window that lost its last row would stay. Nothing is left to replace by its key: such a model says so in its
    `incremental_predicates`. -#}
{% macro forget_windows() -%}
    {%- set first = literal_in_model('measured again from') -%}
    {%- if first -%}
    delete from {{ this }} where window_start >= {{ first }}
    {%- endif -%}
{%- endmacro %}

{#- Arrival time from which a measuring model must read again; null: everything. -#}
{% macro measured_until() -%}
    {%- if is_incremental() -%}
        {{- return(arrival_floor('select max(newest_arrival_at) as newest from ' ~ this)) -}}
    {%- endif -%}
    {{- return(none) -}}
{%- endmacro %}

{#- The earliest arrival of what ends in the windows to measure, as a literal: nothing arrives before it ends, and
    what claims to is a wrong clock. Logs lie in the order of arrival, so engines skip all that is older. -#}
{% macro arrived_since_bounds(bounds, minutes) -%}
    {%- if is_incremental() and execute -%}
        {%- set start = window_start('bounds.first_window', minutes) -%}
        {%- set found = run_query('select ' ~ epoch_microseconds(start) ~ ' from (' ~ bounds ~ ') as bounds') -%}
        {%- set skew = 1000000 * (var('mbp_clock_skew_seconds') | int) -%}
        and loaded_at >= {{ timestamp_literal((found.rows[0][0] | int) - skew) }}
    {%- endif -%}
{%- endmacro %}

{#- Oldest instant in `column` of the rows of a log that arrived since `floor`. With a `key` and the `latest` state of it,
    also where those keys were before: a changed or deleted row leaves its old window. -#}
{% macro oldest_touched(log, column, floor, key=none, latest=none) -%}
    {%- if floor is none or key is none -%}
        select min({{ column }}) as oldest_at from {{ log }} {{ where_arrived_since(floor) }}
    {%- else -%}
        select min({{ column }}) as oldest_at
        from {{ since_first_arrival(log, latest, floor) }} as known
        where {{ key }} in (select changed.{{ key }} from {{ log }} as changed where changed.loaded_at >= {{ floor }})
    {%- endif -%}
{%- endmacro %}

{#- Restricts `relation`.window_number to what is to be measured; CTE `bounds` holds it. -#}
{% macro inside_bounds(number) -%}
    {{ number }} between (select bounds.first_window from bounds) and (select bounds.last_window from bounds)
{%- endmacro %}

{#- How many measurements the window of a KPI covers, as the measurement sheet says. -#}
{% macro measured_windows(kpi_id) -%}
    {{- return(kpi_minutes()[kpi_id].window // kpi_minutes()[kpi_id].every) -}}
{%- endmacro %}

{#- Sum of `column` over the window of the KPI that ends here. The rows have no gaps. -#}
{% macro rolling_sum(column, kpi_id, order='window_start') -%}
    sum({{ column }}) over (order by {{ order }} rows between {{ measured_windows(kpi_id) - 1 }} preceding and current row)
{%- endmacro %}

{#- One KPI in the shape of `kpi_windows`, of relation `measured`. `compared`: what the verdict also depends on;
    `confirmed`: whether a missed target counts; `anyway`: a breach whatever the target says. -#}
{% macro measurement(kpi_id, value, samples, entity="'all'", compared='null', confirmed='true', anyway='false') -%}
    select
        '{{ kpi_id }}' as kpi_id,
        {{ entity }} as entity,
        measured.window_end - interval '{{ kpi_minutes()[kpi_id].window }} minutes' as window_start,
        measured.window_end,
        cast({{ value }} as decimal(18, 6)) as value,
        cast({{ samples }} as bigint) as samples,
        cast({{ compared }} as decimal(18, 6)) as compared_value,
        {{ confirmed }} as is_confirmed,
        {{ anyway }} as is_breach_anyway
{%- endmacro %}
