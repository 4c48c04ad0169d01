select * from {{ ref('ledger') }} where id < 6
