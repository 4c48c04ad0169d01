-- Loads of outside data that rejected more rows than their mapping allows. The same files, loaded again,
-- replace what is said of them; raw_mbp._load_rejects has the rejected rows.
{{ config(
    fail_calc='coalesce(sum(rejected), 0)',
    tags=['a87'],
    meta={
        'rule_id': 'load_rejects', 'dataset': 'loads', 'owner': 'DATA', 'pack': 'A87',
        'family': 'completeness', 'columns': [],
        'description': 'No load of outside data rejected more rows than its mapping allows (`max_rejects`).'
    }
) }}
{% set loads = noted_loads() %}
{% if loads %}

with newest as (

    select
        *,
        row_number() over (partition by source, dataset, files order by load_id desc) as recency
    from {{ loads }}

)

select
    load_id,
    source,
    dataset,
    files,
    rejected,
    max_rejects
from newest
where recency = 1 and rejected > max_rejects

{% else %}

-- the sample, or change data capture alone: nothing was loaded, so nothing was rejected
select 0 as rejected
where false

{% endif %}
