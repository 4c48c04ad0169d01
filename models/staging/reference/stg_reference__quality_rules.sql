select
    rule_id,
    dataset,
    family,
    severity,
    owner,
    description
from {{ ref('quality_rules') }}
