{#- The sum of a column per group must lie within so many sample standard deviations of the mean of
    all groups. Without groups there is one sum, which deviates from nothing. -#}
{% test expect_column_values_to_be_within_n_stdevs(
    model, column_name, group_by=None, sigma_threshold=3
) %}
with grouped_sums as (
{{ dbt_expectations.aggregate_of(model, 'sum(' ~ column_name ~ ')', group_by) }}
),

measured as (
    select
        *,
        avg(observed_value) over () as average,
        stddev_samp(observed_value) over () as deviation
    from grouped_sums
),

distances as (
    select
        *,
        (observed_value - average) / nullif(deviation, 0) as sigma
    from measured
)

select *
from distances
where abs(sigma) > {{ sigma_threshold }}
{% endtest %}
