select
    rule_max_age_hours,
    pass_rate_days,
    window_days,
    minimum_days,
    robust_z_threshold,
    smallest_scale_percent
from {{ ref('quality_monitor') }}
