from __future__ import annotations

from pathlib import Path

import pytest

from tests.python.release.ci.reports import Run, good_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return good_run(tmp_path)
