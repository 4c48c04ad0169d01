{#- Every key of the change log whose newest change is not a delete is published, and nothing else is:
    distinct keys less deletes equal the rows of the dataset, reported key by key. And what is published is
    the newest change, not one before it.
    Keys are joined by hashes: one whose every change equals every row published under it, and is no delete, has
    nothing to find. Two keys of one hash differ in content and are suspects. Only of suspects the changes are ranked,
    and their rows compared, column by column. -#}
{% test cdc_no_loss(model, dataset, key_column) %}

{%- set columns = logged_columns(dataset) %}

with suspects as (

    select distinct coalesce(logged.key_hash, shown.key_hash) as key_hash
    from (
        select
            {{ row_hash([key_column]) }} as key_hash,
            {{ row_hash(columns) }} as content_hash,
            is_deleted
        from {{ change_log(dataset) }}
        where {{ key_column }} is not null
    ) as logged
    full outer join (
        select
            {{ row_hash([key_column]) }} as key_hash,
            {{ row_hash(columns) }} as content_hash
        from {{ model }}
        where {{ key_column }} is not null
    ) as shown on logged.key_hash = shown.key_hash
    where
        logged.content_hash is distinct from shown.content_hash
        or logged.is_deleted is distinct from false

),

change_log as (

    select
        *,
        {{ newest_first(key_column) }} as recency
    from {{ change_log(dataset) }}
    where {{ key_column }} is not null and {{ row_hash([key_column]) }} in (select key_hash from suspects)

),

expected as (

    select *
    from change_log
    where recency = 1 and not is_deleted

),

published as (

    select *
    from {{ model }}
    where {{ key_column }} is not null and {{ row_hash([key_column]) }} in (select key_hash from suspects)

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
