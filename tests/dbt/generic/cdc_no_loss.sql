{#- Every key of the change log whose newest change is not a delete is published, and nothing else is:
    distinct keys less deletes equal the rows of the dataset, told key by key. -#}
{% test cdc_no_loss(model, dataset, key_column) %}

with change_log as (

    select
        {{ key_column }},
        is_deleted,
        {{ newest_first(key_column) }} as recency
    from {{ change_log(dataset) }}
    where {{ key_column }} is not null

),

expected as (

    select {{ key_column }}
    from change_log
    where recency = 1 and not is_deleted

),

published as (

    select distinct {{ key_column }}
    from {{ model }}
    where {{ key_column }} is not null

)

select
    coalesce(expected.{{ key_column }}, published.{{ key_column }}) as {{ key_column }},
    case
        when published.{{ key_column }} is null then 'in the change log, not published'
        else 'published, not in the change log'
    end as finding
from expected
full outer join published on expected.{{ key_column }} = published.{{ key_column }}
where expected.{{ key_column }} is null or published.{{ key_column }} is null

{% endtest %}
