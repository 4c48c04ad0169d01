{{ latest_change('abuse_events', 'abuse_event_id') }}
