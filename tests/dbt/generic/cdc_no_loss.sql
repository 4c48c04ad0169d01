{#- Every key of the change log whose newest change is not a delete is published, and nothing else is:
    distinct keys less deletes equal the rows of the dataset, reported key by key. And what is published is
    the newest change, not one before it.
    Most keys have nothing to find, which an engine sees in less time than it compares each row. Only of the others, the
    suspects, the changes are ranked, and their rows compared column by column. -#}
{% test cdc_no_loss(model, dataset, key_column) %}

{%- set columns = logged_columns(dataset) %}

with suspects as (

    {{ suspects(change_log(dataset), model, key_column, columns) }}

),

change_log as (

    select
        *,
        {{ newest_first(key_column) }} as recency
    from {{ change_log(dataset) }}
    where {{ key_column }} is not null and {{ suspect_part(key_column) }} in (select suspect_part from suspects)

),

expected as (

    select *
    from change_log
    where recency = 1 and not is_deleted

),

published as (

    select *
    from {{ model }}
    where {{ key_column }} is not null and {{ suspect_part(key_column) }} in (select suspect_part from suspects)

)

select
    coalesce(expected.{{ key_column }}, published.{{ key_column }}) as {{ key_column }},
    case
        when published.{{ key_column }} is null then 'in the change log, not published'
        when expected.{{ key_column }} is null then 'published, not in the change log'
        else 'published with other content than the newest change'
    end as finding
from expected
full outer join published on expected.{{ key_column }} = published.{{ key_column }}
where
    expected.{{ key_column }} is null
    or published.{{ key_column }} is null
    {%- for column in columns %}
    or expected.{{ column }} is distinct from published.{{ column }}
    {%- endfor %}

{% endtest %}
