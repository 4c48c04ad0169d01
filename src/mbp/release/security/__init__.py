"""`mbp security run`: what is installed, what the code does, what lies in the repository, who may read what.

Six parts, each with a verdict of its own: pass, fail, or not_measured where nobody could look. Silence of a
tool is never a pass: each part says what it looked at.
"""
