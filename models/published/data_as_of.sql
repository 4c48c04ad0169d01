{% for dataset in datasets() -%}
-- depends_on: {{ ref(dataset) }}
{% endfor %}
-- The tables belong to `mbp degrade` and to the post-hook of the datasets: nothing that a build replaces is
-- underneath, so what readers ask for the time of their data never vanishes.
with builds as (

    select * from {{ source('snapshot', 'builds') }}

),

switches as (

    select * from {{ source('snapshot', 'switches') }}

),

copies as (

    select * from {{ source('snapshot', 'copies') }}

),

in_force as (

    select
        *,
        row_number() over (order by number desc) as recency
    from switches

),

final as (

    select
        builds.dataset,
        coalesce(in_force.mode, 'live') as mode,
        case when in_force.mode = 'snapshot' then copies.as_of else builds.as_of end as as_of,
        in_force.since,
        in_force.decision_id,
        in_force.reason
    from builds
    left join in_force on in_force.recency = 1
    left join copies on
        builds.dataset = copies.dataset
        and in_force.generation = copies.generation

)

select * from final
