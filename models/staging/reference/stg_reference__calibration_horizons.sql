select horizon_hours from {{ ref('calibration_horizons') }}
