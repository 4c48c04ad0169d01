"""The policy of the project, and persons and numbers of nobody: no right number is written in a test."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from mbp.quality.privacy.privacy_policy import PrivacyPolicy, load_policy


@pytest.fixture(scope="session")
def policy(project_root: Path) -> PrivacyPolicy:
    return load_policy(project_root)


@pytest.fixture
def random() -> Random:
    return Random(41)  # noqa: S311
