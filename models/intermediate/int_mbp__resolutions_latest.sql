{{ latest_change('resolutions', 'resolution_id') }}
