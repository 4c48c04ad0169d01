{{ config(materialized='view') }}

with measures as (

    select * from {{ ref('kpi_measures_service') }}

    union all

    select * from {{ ref('kpi_measures_market') }}

),

judged as (

    select
        measures.*,
        sheet.target,
        measures.samples >= sheet.minimum_samples as has_samples,
        case sheet.target_operator
            when '<=' then measures.value <= sheet.target_bound
            when '<' then measures.value < sheet.target_bound
            when '>=' then measures.value >= sheet.target_bound
            when '>' then measures.value > sheet.target_bound
            when '==' then measures.value = sheet.target_bound
        end as is_on_target,
        sheet.minimum_samples = 0 as may_be_empty
    from measures
    inner join {{ ref('stg_reference__measurement_sheet') }} as sheet on measures.kpi_id = sheet.kpi_id

)

select
    measure_id as window_id,
    kpi_id,
    entity,
    window_start,
    window_end,
    value,
    samples,
    target,
    compared_value,
    case
        when not has_samples then 'insufficient data'
        -- Nothing happened where nothing has to happen.
        when value is null and may_be_empty then 'ok'
        when value is null or is_on_target is null then 'insufficient data'
        when is_breach_anyway then 'breach'
        when is_on_target then 'ok'
        when is_confirmed then 'breach'
        else 'ok'
    end as verdict
from judged
