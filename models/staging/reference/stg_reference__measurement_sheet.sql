select
    kpi_id,
    name as kpi_name,
    unit,
    source,
    {{ quoted('window') }} as kpi_window,
    target,
    watcher,
    hook,
    owner,
    query_id,
    dashboard,
    minimum_samples,
    window_minutes,
    every_minutes,
    operator as target_operator,
    bound as target_bound
from {{ ref('measurement_sheet') }}
