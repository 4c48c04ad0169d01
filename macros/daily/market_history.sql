{#- All that a rule of quotes may know of a market (of its status only with `intervals`), as events (market_id, happened_at, event): what two histories agree
    on up to an instant, they agree on in every verdict up to it. A rule that reads another column of a market
    adds it here. -#}
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

{#- Markets whose history is not the verified one, with the instant from which it differs. A market that was not there
    has no verified quotes: whatever is quoted in it is new. -#}
{% macro changed_markets(markets, intervals) -%}
    {%- set verified = verification_table('market_history') -%}
    {%- set same_kinds = '' if intervals else "where event not in ('opens', 'is open no longer')" -%}
    {%- set events = market_events(markets, intervals) -%}
    select market_id, min(happened_at) as changed_from
    from (
        (select market_id, happened_at, event from {{ verified }} {{ same_kinds }} except ({{ events }}))
        union all
        (
            select events.market_id, events.happened_at, events.event
            from ({{ events }}) as events
            inner join (select distinct market_id from {{ verified }}) as known on events.market_id = known.market_id
            except
            select market_id, happened_at, event from {{ verified }}
        )
    ) as differences
    group by market_id
{%- endmacro %}

{#- The rest of a union: old quotes that a changed market may make wrong, and that are not in the slice. The earliest
    instant is a literal, so that engines can skip the blocks before it. -#}
{% macro quotes_at_risk(relation, slice, markets, intervals) -%}
    {%- if not existing_relation('market_history') -%}
        {{- return('') -}}
    {%- endif -%}
    {%- set changed = changed_markets(markets, intervals) -%}
    {%- set query = 'select ' ~ epoch_microseconds('min(changed_from)') ~ ' from (' ~ changed ~ ') as changed' -%}
    {%- set changed_from = run_query(query).rows[0][0] -%}
    {%- if changed_from is none -%}
        {{- return('') -}}
    {%- endif -%}
    {%- set rest %}
    union all
    select quotes.*
    from {{ relation }} as quotes
    inner join ({{ changed }}) as changed
        on quotes.market_id = changed.market_id and quotes.quoted_at >= changed.changed_from
    where
        quotes.quoted_at >= {{ timestamp_literal(changed_from) }}
        and not exists (select 1 from {{ slice }} as slice where slice.quote_id = quotes.quote_id)
    {%- endset -%}
    {{- return(rest) -}}
{%- endmacro %}

{#- Post-hook of the model that says what is verified: the history that the tests have seen. -#}
{% macro keep_market_history(markets, intervals) -%}
    {%- if build_verifies('mbp_quotes') %}
    drop table if exists {{ verification_table('market_history') }};
    create table {{ verification_table('market_history') }} as {{ market_events(markets, intervals) }}
    {%- endif -%}
{%- endmacro %}
