with customers as (

    select * from {{ ref('stg_customers') }}

),

orders as (

    select
        customer_id,
        min(order_date) as first_order,
        max(order_date) as latest_order,
        count(*) as number_of_orders
    from {{ ref('stg_orders') }}
    group by customer_id

)

select
    customers.customer_id,
    customers.first_name,
    customers.last_name,
    orders.first_order,
    orders.latest_order,
    coalesce(orders.number_of_orders, 0) as number_of_orders
from customers
left join orders on customers.customer_id = orders.customer_id
