{#- Distinct keys in the change log, less those whose newest change is a delete, must equal the rows
    of the dataset. -#}
{% test cdc_no_loss(model, dataset, key_column) %}

with change_log as (

    select
        *,
        {{ newest_first(key_column) }} as recency
    from {{ change_log(dataset) }}
    where {{ key_column }} is not null

),

expected as (

    select count(*) as row_count
    from change_log
    where recency = 1 and not is_deleted

),

published as (

    select count(distinct {{ key_column }}) as row_count
    from {{ model }}

)

select
    expected.row_count as rows_in_change_log,
    published.row_count as rows_published
from expected
cross join published
where expected.row_count <> published.row_count

{% endtest %}
