"""`mbp security run`: what is installed, what the code does, what is in the repository, who may read what.

Six parts, each with its own verdict: pass, fail, or not_measured where the check could not run. Silence of a
tool is never a pass: each part says what it checked.
"""
