{#- One scan for many rules. PostgreSQL reads a row whole for each test; here the first of the tests on a relation counts
    for all of them, in one scan, how many rows break each rule. A test whose count is zero then has no row to read; one
    whose count is not reads the relation as ever, and names its rows. -#}

{#- DuckDB and Spark keep columns apart, and answer most of these tests without reading rows: nothing would be saved. -#}
{% macro one_scan_saves() -%}{{- return(adapter.type() == 'postgres') -}}{%- endmacro %}

{#- True for a row that breaks the rule of `test`, made by the macros that the test itself is made of; none when the
    rule is no condition on one row, or has a condition of its own. -#}
{% macro row_violation(test) -%}
    {%- set given = test.test_metadata.kwargs if test.test_metadata else {} -%}
    {%- set rule = test.test_metadata.name if test.test_metadata else none -%}
    {%- set column = given.get('column_name') -%}
    {%- if test.config.get('where') or given.get('row_condition') or not column -%}
        {{- return(none) -}}
    {%- elif rule == 'not_null' -%}
        {{- return(column ~ ' is null') -}}
    {%- elif dbt_expectations.outside_bounds is not defined -%}
        {#- The public package has no such macro (scripts/swap_dbt_expectations). -#}
        {{- return(none) -}}
    {%- elif rule == 'expect_column_values_to_be_between' -%}
        {{- return(dbt_expectations.outside_bounds(column, given.get('min_value'), given.get('max_value'), given.get('strictly', false))) -}}
    {%- elif rule == 'expect_column_values_to_match_regex' -%}
        {{- return('not (' ~ dbt_expectations.regex_found(column, given.get('regex'), given.get('flags', '')) ~ ')') -}}
    {%- endif -%}
    {{- return(none) -}}
{%- endmacro %}

{#- The rules of this run on a dataset that one scan can count: id of the test -> its violation. -#}
{% macro violations_of(dataset) -%}
    {%- set found = {} -%}
    {%- for test in graph.nodes.values() | sort(attribute='unique_id') -%}
        {%- if test.resource_type == 'test' and test.unique_id in selected_resources
            and (test.config.meta or {}).get('dataset') == dataset
            and test.attached_node == 'model.' ~ project_name ~ '.' ~ dataset -%}
            {%- set violation = row_violation(test) -%}
            {%- if violation is not none -%}{%- do found.update({test.unique_id: violation}) -%}{%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(found) -}}
{%- endmacro %}

{#- Only rows that break some rule reach the counts: the condition stops at the first one that holds. -#}
{% macro count_broken(relation, violations) -%}
    select
        {%- for violation in violations.values() %}
        count(case when {{ violation }} then 1 end) as broken_{{ loop.index }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from {{ relation }}
    where
        {%- for violation in violations.values() %}
        ({{ violation }})
        {%- if not loop.last %} or{% endif %}
        {%- endfor %}
{%- endmacro %}

{#- Rows of `relation` that break the rule of the test that asks, as one scan of this run counted them; none when it was
    not counted: there is no scan for it, or another thread is still at it. Kept in `graph`, which all tests of a run
    see, under the run's id: a count of another run says nothing. -#}
{% macro counted(relation, test) -%}
    {%- if not execute or flags.WHICH not in ('test', 'build') or not one_scan_saves() -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- set place = 'mbp_counted ' ~ invocation_id ~ ' ' ~ relation -%}
    {%- set mine = {} -%}
    {%- if graph.setdefault(place, mine) is sameas mine -%}
        {%- set violations = violations_of(relation.identifier) -%}
        {%- if violations | length > 1 -%}
            {%- set row = run_query(count_broken(relation, violations)).rows[0] -%}
            {%- for unique_id in violations -%}{%- do mine.update({unique_id: row[loop.index0] | int}) -%}{%- endfor -%}
        {%- endif -%}
    {%- endif -%}
    {{- return(graph[place].get(test.unique_id)) -}}
{%- endmacro %}
