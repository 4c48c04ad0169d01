{#- A table that says what was verified (docs/daily.md). looked_at: until which arrival the
    tests of a build check. <dataset>_to_check: the slice of the last daily run. verified_market_history: that of the
    markets when a dataset was last verified. datasets_verified: a model, written when the tests have passed. -#}
{% macro verification_table(name) -%}
    {{- return(api.Relation.create(database=target.get('database'), schema='verification', identifier=name)) -}}
{%- endmacro %}

{% macro slice_of(dataset) -%}
    {{- return(verification_table(dataset ~ '_to_check')) -}}
{%- endmacro %}

{#- Post-hook of a dataset whose daily tests read a slice, in the transaction that writes its rows. The slice holds
    every row whose key has a change that arrived since the last verification, less the lookback, and so also the old
    row that a new one collides with. `parents` (column -> latest state of what it refers to) adds the rows that refer to
    such a key. With nothing verified yet, or by other rules than today's, it is all rows. -#}
{% macro look_at(relation, log, key, parents={}) -%}
    {%- if execute and rows_can_be_replaced() -%}
    {%- if not adapter.check_schema_exists(target.get('database'), 'verification') -%}
        {%- do run_query('create schema verification') -%}
    {%- endif -%}
    {%- set looked_at = verification_table('looked_at') -%}
    create table if not exists {{ looked_at }} (
        dataset {{ type_string() }}, build_id {{ type_string() }}, looked_until {{ type_timestamp_utc() }}
    );
    delete from {{ looked_at }} where dataset = '{{ relation.identifier }}';
    insert into {{ looked_at }}
    select
        '{{ relation.identifier }}' as dataset, '{{ invocation_id }}' as build_id, {{ newest_of('loaded_at', log) }} as looked_until;
    {%- if not is_incremental() and existing_relation('datasets_verified') %}
    {#- Every row was written again, by whichever command. #}
    delete from {{ existing_relation('datasets_verified') }} where dataset = '{{ relation.identifier }}';
    {%- endif -%}
    {%- if is_daily(relation.identifier) %}{{ make_slice(relation, log, key, parents) }}{% endif -%}
    {%- endif -%}
{%- endmacro %}

{#- The table of a daily run that its tests read. -#}
{% macro make_slice(relation, log, key, parents) -%}
    {%- set slice = slice_of(relation.identifier) -%}
    {%- set floor = verified_floor(relation) if is_incremental() else none -%}
    {%- set old = existing_relation(slice.identifier) -%}
    {%- if old %}
    drop {{ old.type }} {{ old }};
    {%- endif %}
    {%- if floor is none %}
    {%- do log_daily(relation.identifier ~ ': no verification to start from, so all rows are looked at') %}
    create view {{ slice }} as select * from {{ relation }};
    {%- else %}
    {%- set keyless = tell_slice(relation, log, key, floor) %}
    create table {{ slice }} as
    select * from {{ relation }}
    where {{ key }} in (
        select {{ key }} from {{ log }} where loaded_at >= {{ floor }}
        {%- for column, parent in parents.items() %}
        {%- set parent_key = (change_logs() | selectattr('latest', 'equalto', parent.identifier) | first).key %}
        union
        select {{ key }} from {{ relation }}
        where {{ column }} in (select {{ parent_key }} from {{ parent }} where loaded_at >= {{ floor }})
        {%- endfor %}
    )
    {%- if keyless %}
    union all
    select * from {{ relation }} where {{ key }} is null
    {%- endif %};
    {%- endif -%}
{%- endmacro %}

{#- One line on what a daily run checks; it also reports that nothing is new. Returns how many rows without a key came. -#}
{% macro tell_slice(relation, log, key, floor) -%}
    {%- set verified %}
    select max(verified_until) from {{ verification_table('datasets_verified') }} where dataset = '{{ relation.identifier }}'
    {%- endset -%}
    {%- set found = run_query(
        'select count(*) as looked, sum(case when loaded_at > (' ~ verified ~ ') then 1 else 0 end) as fresh, count(*) - count('
        ~ key ~ ') as keyless from ' ~ log ~ ' where loaded_at >= ' ~ floor
    ).rows[0] -%}
    {%- set fresh = found[1] | int if found[1] is not none else 0 -%}
    {%- do log_daily(
        relation.identifier ~ ': ' ~ ('nothing new arrived' if fresh == 0 else fresh ~ ' changed keys arrived')
        ~ ' since the last verification; with the lookback ' ~ found[0] ~ ' are looked at'
    ) -%}
    {{- return(found[2] | int) -}}
{%- endmacro %}

{% macro log_daily(text) -%}
    {%- do log('daily: ' ~ text, info=true) -%}
{%- endmacro %}

{#- Arrival time from which a daily run must check; none: everything. Twice the lookback: the increment may have
    begun one lookback earlier than the newest arrival that was verified, when that one was since overwritten. -#}
{% macro verified_floor(relation) -%}
    {%- if existing_relation('datasets_verified') -%}
        {{- return(arrival_floor(
            'select max(verified_until) as newest from ' ~ verification_table('datasets_verified')
            ~ " where dataset = '" ~ relation.identifier ~ "' and rules_checksum = '"
            ~ rules_checksum(relation.identifier) ~ "'",
            lookbacks=2
        )) -}}
    {%- endif -%}
    {{- return(none) -}}
{%- endmacro %}

{% macro existing_relation(name) -%}
    {{- return(adapter.get_relation(target.get('database'), 'verification', name)) -}}
{%- endmacro %}

{#- The tests of a dataset that read its slice, as dbt knows them, by id. -#}
{% macro sliced_tests(dataset) -%}
    {%- set found = [] -%}
    {%- for node in graph.nodes.values() | sort(attribute='unique_id') -%}
        {%- set meta = (node.config.meta or {}) if node.resource_type == 'test' else {} -%}
        {%- if (meta.get('dataset') == dataset and meta.get('family') in sliced_families()) or (
            (node.test_metadata or {}).get('name') in slice_readers()
            and 'model.' ~ project_name ~ '.' ~ dataset in node.depends_on.nodes
        ) -%}
            {%- do found.append(node) -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(found) -}}
{%- endmacro %}

{#- What the rules of a dataset were. Rows that were verified by other rules are not verified. -#}
{% macro rules_checksum(dataset) -%}
    {%- set told = [] -%}
    {%- for test in sliced_tests(dataset) -%}
        {%- do told.append([test.unique_id, test.test_metadata.kwargs | string, slice_readers().get(test.test_metadata.name)]) -%}
    {%- endfor -%}
    {{- return(local_md5(tojson(told))) -}}
{%- endmacro %}

{#- Whether this build verifies the dataset: it built it, with rows, and runs every test that reads the slice. That the
    tests pass is not asked here: dbt skips what depends on a test that failed. -#}
{% macro build_verifies(dataset) -%}
    {%- if not execute or flags.WHICH != 'build' or flags.EMPTY or flags.SAMPLE or not rows_can_be_replaced() -%}
        {{- return(false) -}}
    {%- endif -%}
    {%- set needed = ['model.' ~ project_name ~ '.' ~ dataset] + sliced_tests(dataset) | map(attribute='unique_id') | list -%}
    {{- return(needed | reject('in', selected_resources) | list | length == 0) -}}
{%- endmacro %}
