{{ time_spine(1440, 'day_at') }}
