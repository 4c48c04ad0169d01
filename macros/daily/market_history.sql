{#- All that rules of another dataset may know of a market, as events (market_id, happened_at, event): what two histories
    agree on up to an instant, they agree on in every verdict up to it. `reads`: the columns of markets that the rules read,
    as their SQL says (slice_readers). With `intervals` also its status. -#}
{% macro market_events(markets, intervals, reads) -%}
    {%- set beginning = "cast('1970-01-01 00:00:00+00:00' as " ~ type_timestamp_utc() ~ ')' -%}
    select market_id, {{ beginning }} as happened_at, 'exists' as event from {{ markets }}
    {%- for column in reads.value %}
    union all
    select
        market_id,
        {{ beginning }} as happened_at,
        '{{ column }}: ' || coalesce(cast({{ column }} as {{ type_string() }}), 'none') as event
    from {{ markets }}
    {%- endfor %}
    {%- for column in reads.since %}
    union all
    select market_id, {{ column }} as happened_at, '{{ column }}: ' as event from {{ markets }} where {{ column }} is not null
    {%- endfor %}
    {%- if intervals %}
    union all
    select market_id, coalesce(valid_from, {{ beginning }}) as happened_at, 'status: ' || status || ' begins' as event
    from {{ intervals }}
    union all
    select market_id, valid_to as happened_at, 'status: ' || status || ' ends' as event
    from {{ intervals }} where valid_to is not null
    {%- endif %}
{%- endmacro %}

{#- The columns of markets that these tests read, by their use. -#}
{% macro market_reads(tests) -%}
    {%- set reads = {'since': [], 'value': []} -%}
    {%- for test in tests -%}
        {%- for use, columns in slice_readers().get(test.test_metadata.name, {}).items() if use in reads -%}
            {%- do reads[use].extend(columns | reject('in', reads[use]) | list) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(reads) -}}
{%- endmacro %}

{#- Markets whose history, as far as the test that is rendered reads it, is not the one by which the rows of `dataset` were
    verified, with the instant from which it differs. A market that was not there has no verified rows: whatever is in it is
    new. -#}
{% macro changed_markets(dataset, markets, intervals) -%}
    {%- set reads = market_reads([model]) -%}
    {%- set names = ['exists'] + reads.since + reads.value + (['status'] if intervals else []) -%}
    {%- set verified -%}
        (
            select market_id, happened_at, event from {{ verification_table('verified_market_history') }}
            where dataset = '{{ dataset }}' and split_part(event, ':', 1) in ('{{ names | join("', '") }}')
        )
    {%- endset -%}
    {%- set events = '(' ~ market_events(markets, intervals, reads) ~ ')' -%}
    select market_id, min(happened_at) as changed_from
    from (
        (
            select market_id, happened_at, event from {{ verified }} as verified
            except
            select market_id, happened_at, event from {{ events }} as events
        )
        union all
        (
            select events.market_id, events.happened_at, events.event
            from {{ events }} as events
            inner join (select distinct market_id from {{ verified }} as verified) as known on events.market_id = known.market_id
            except
            select market_id, happened_at, event from {{ verified }} as verified
        )
    ) as differences
    group by market_id
{%- endmacro %}

{#- The rest of a union: old rows that a changed market may make wrong, and that are not in the slice. The earliest
    instant is a literal, so that engines can skip the blocks before it. A reference names no `instant`. -#}
{% macro rows_at_risk(relation, markets, intervals, instant) -%}
    {%- if not existing_relation('verified_market_history') -%}
        {{- return('') -}}
    {%- endif -%}
    {%- set changed = changed_markets(relation.identifier, markets, intervals) -%}
    {%- set changed_from = instant_of('select min(changed_from) as instant from (' ~ changed ~ ') as changed') -%}
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
        and judged.{{ instant }} >= {{ changed_from }} and
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
    select '{{ dataset }}' as dataset, market_id, happened_at, event
    from ({{ market_events(markets, intervals, market_reads(sliced_tests(dataset))) }}) as events;
    {%- endfor -%}
{%- endmacro %}
