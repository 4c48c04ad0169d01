{{ config(materialized='view') }}

{%- set unmeasured = existing_relation('unmeasured_kpis') %}

with measures as (

    select * from {{ ref('kpi_measures_service') }}

    union all

    select * from {{ ref('kpi_measures_market') }}

),

unmeasured as (

    -- What a loaded source lacks has a placeholder, which is neither shown nor judged.
    {% if unmeasured -%}
    select kpi_id from {{ unmeasured }}
    {%- else -%}
    select cast(null as {{ type_string() }}) as kpi_id
    {%- endif %}

),

known as (

    select
        measures.measure_id,
        measures.kpi_id,
        measures.entity,
        measures.window_start,
        measures.window_end,
        case when unmeasured.kpi_id is null then measures.value end as value,
        measures.samples,
        case when unmeasured.kpi_id is null then measures.compared_value end as compared_value,
        measures.is_confirmed,
        measures.is_breach_anyway and unmeasured.kpi_id is null as is_breach_anyway,
        unmeasured.kpi_id is not null as is_unmeasured
    from measures
    left join unmeasured on measures.kpi_id = unmeasured.kpi_id

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
    from known as measures
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
        when is_unmeasured or not has_samples then 'insufficient data'
        -- Nothing happened where nothing has to happen.
        when value is null and may_be_empty then 'ok'
        when value is null or is_on_target is null then 'insufficient data'
        when is_breach_anyway then 'breach'
        when is_on_target then 'ok'
        when is_confirmed then 'breach'
        else 'ok'
    end as verdict
from judged
