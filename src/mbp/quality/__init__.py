"""Which rules hold: findings of a run, their failing rows, and the proof that each test can fail."""
