"""What several test packages share: the project, and one real PostgreSQL for the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.python.built import Built, build

from mbp.paths import project_root as find_project_root
from mbp.warehouse.server import PostgresServer


@pytest.fixture(scope="session")
def project_root() -> Path:
    return find_project_root(Path(__file__).parent)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh database; `postgres_server.environment(name)` leads to it.

    Always of one name: the parsed project holds it, and need not be read again for each.
    """
    name = "test"
    postgres_server.create_database(name)
    yield name
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def built(
    project_root: Path,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    """The sample, built once on both engines; spoil copies of it only."""
    return build(project_root, postgres_server, tmp_path_factory.mktemp("built"))
