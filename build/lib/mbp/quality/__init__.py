"""Which rules hold: findings, their failing rows, and the proof that each test can fail."""
