"""One signed pack for all tests of this folder; they change copies of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbp.release.evidence.pack_build import Pack
from tests.python.release.evidence.packs import Release, make_release


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return make_release(tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="session")
def pack(go: Release) -> Pack:
    return go.pack()


@pytest.fixture
def file(pack: Pack, tmp_path: Path) -> Path:
    path = tmp_path / "pack.zip"
    path.write_bytes(pack.content)
    return path
