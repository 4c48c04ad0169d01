{#- Every resolution names its source and its audit trace; a person who decided by hand also leaves
    the evidence and (as a hash) who it was. A missing key column belongs to its not-null rule. -#}
{% test resolution_audit(model) %}

with resolutions as (

    select * from {{ model }}

)

select *
from resolutions
where
    trim(source_ref) = ''
    or trim(audit_trace_id) = ''
    or audit_trace_id = '00000000000000000000000000000000'
    or (
        source_kind = 'manual'
        and (coalesce(trim(evidence_uri), '') = '' or coalesce(trim(decided_by_hash), '') = '')
    )

{% endtest %}
