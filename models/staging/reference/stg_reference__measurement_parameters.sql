select
    slo_percent,
    burn_confirmation_minutes,
    burn_page_fast,
    burn_page_slow,
    burn_ticket,
    sustained_minutes,
    inp_tolerance_percent,
    twap_samples_outside,
    abuse_usual_hours,
    abuse_usual_floor
from {{ ref('measurement_parameters') }}
