"""The policy of the project, and the same draws in every run."""

from tests.python.quality.privacy.conftest import policy, random

__all__ = ["policy", "random"]
