{#- All that a rule of another dataset may know of a market (of its status only with `intervals`), as events (market_id,
    happened_at, event): what two histories agree on up to an instant, they agree on in every verdict up to it. A rule
    that reads another column of a market adds it here. -#}
{% macro market_events(markets, intervals) -%}
    {%- set beginning = "cast('1970-01-01 00:00:00+00:00' as " ~ type_timestamp_utc() ~ ')' -%}
    select
        market_id,
        {{ beginning }} as happened_at,
        'exists with liquidity ' || coalesce(cast(min_liquidity as {{ type_string() }}), 'none') as event
    from {{ markets }}
    union all
    select market_id, closed_at as happened_at, 'trading ends' as event from {{ markets }} where closed_at is not null
    {%- if intervals %}
    union all
    select market_id, coalesce(valid_from, {{ beginning }}) as happened_at, 'opens' as event
    from {{ intervals }} where status = 'open'
    union all
    select market_id, valid_to as happened_at, 'is open no longer' as event
    from {{ intervals }} where status = 'open' and valid_to is not null
    {%- endif %}
{%- endmacro %}

{#- Markets whose history is not the one by which the rows of `dataset` were verified, with the instant from which it
    differs. A market that was not there has no verified rows: whatever is in it is new. A reference, which names no
    `instant`, only asks whether the market exists. -#}
{% macro changed_markets(dataset, markets, intervals, instant) -%}
    {%- set verified = '(select * from ' ~ verification_table('verified_market_history') ~ " where dataset = '" ~ dataset ~ "')" -%}
    {%- set events = '(' ~ market_events(markets, intervals) ~ ')' -%}
    {%- if not instant -%}{%- set read = "event like 'exists%'" -%}
    {%- elif intervals -%}{%- set read = '1 = 1' -%}
    {%- else -%}{%- set read = "event not in ('opens', 'is open no longer')" -%}
    {%- endif -%}
    select market_id, min(happened_at) as changed_from
    from (
        (
            select market_id, happened_at, event from {{ verified }} as verified where {{ read }}
            except
            select market_id, happened_at, event from {{ events }} as events where {{ read }}
        )
        union all
        (
            select events.market_id, events.happened_at, events.event
            from {{ events }} as events
            inner join (select distinct market_id from {{ verified }} as verified) as known on events.market_id = known.market_id
            where {{ read }}
            except
            select market_id, happened_at, event from {{ verified }} as verified
        )
    ) as differences
    group by market_id
{%- endmacro %}

{#- The rest of a union: old rows that a changed market may make wrong, and that are not in the slice. The earliest
    instant is a literal, so that engines can skip the blocks before it. -#}
{% macro rows_at_risk(relation, markets, intervals, instant) -%}
    {%- if not existing_relation('verified_market_history') -%}
        {{- return('') -}}
    {%- endif -%}
    {%- set changed = changed_markets(relation.identifier, markets, intervals, instant) -%}
    {%- set query = 'select ' ~ epoch_microseconds('min(changed_from)') ~ ' from (' ~ changed ~ ') as changed' -%}
    {%- set changed_from = run_query(query).rows[0][0] -%}
    {%- if changed_from is none -%}
        {{- return('') -}}
    {%- endif -%}
    {%- set key = (change_logs() | selectattr('dataset', 'equalto', relation.identifier) | first).key -%}
    {%- set rest %}
    union all
    select judged.*
    from {{ relation }} as judged
    inner join ({{ changed }}) as changed on judged.market_id = changed.market_id
    where
        {%- if instant %}
        judged.{{ instant }} >= changed.changed_from
        and judged.{{ instant }} >= {{ timestamp_literal(changed_from) }} and
        {%- endif %}
        not exists (select 1 from {{ slice_of(relation.identifier) }} as slice where slice.{{ key }} = judged.{{ key }})
    {%- endset -%}
    {{- return(rest) -}}
{%- endmacro %}

{#- The markets, in a test of a reference to them. Rows that refer to a removed row of another dataset are in the slice. -#}
{% macro referenced_markets() -%}
    {{- return(ref('mbp_markets') if "'mbp_markets'" in model.test_metadata.kwargs.get('to', '') else none) -}}
{%- endmacro %}

{#- Post-hook of the model that says what is verified: the history that the tests have seen. -#}
{% macro keep_market_history(markets, intervals) -%}
    {%- set kept = verification_table('verified_market_history') -%}
    {%- for dataset in incremental_datasets() if build_verifies(dataset) %}
    create table if not exists {{ kept }} (
        dataset {{ type_string() }}, market_id {{ type_string() }}, happened_at {{ type_timestamp_utc() }}, event {{ type_string() }}
    );
    delete from {{ kept }} where dataset = '{{ dataset }}';
    insert into {{ kept }}
    select '{{ dataset }}' as dataset, market_id, happened_at, event from ({{ market_events(markets, intervals) }}) as events;
    {%- endfor -%}
{%- endmacro %}
