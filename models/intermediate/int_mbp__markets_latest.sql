{{ latest_change('markets', 'market_id') }}
