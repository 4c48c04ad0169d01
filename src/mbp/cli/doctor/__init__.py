"""Is this machine able to do the work? Every check says what it saw, and what to do where that is not enough."""
