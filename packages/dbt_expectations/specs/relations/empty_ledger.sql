select * from {{ ref('ledger') }} where 1 = 0
