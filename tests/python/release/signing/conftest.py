"""Keys for the tests of signatures."""

from __future__ import annotations

import pytest

from tests.python.signing_keys import Keys, demand_openssh


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    demand_openssh()
    return Keys(tmp_path_factory.mktemp("keys"))
