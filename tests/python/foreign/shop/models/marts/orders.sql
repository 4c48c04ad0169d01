with payments as (

    select
        order_id,
        sum(amount) as amount
    from {{ ref('stg_payments') }}
    group by order_id

)

select
    orders.order_id,
    orders.customer_id,
    orders.order_date,
    orders.status,
    cast(payments.amount as decimal(12, 2)) as amount
from {{ ref('stg_orders') }} as orders
left join payments on orders.order_id = payments.order_id
