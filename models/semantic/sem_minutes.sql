{{ time_spine(1, 'minute_at') }}
