{{ time_spine(60, 'hour_at') }}
