select * from {{ ref('ledger') }} where grp = 'a'
