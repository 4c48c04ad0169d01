"""What several test packages share: the project, one real PostgreSQL and one Chromium for the whole run."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.testing
from hypothesis import settings

from lab.postgres_server import PostgresServer
from mbp.cli.main import register
from mbp.core import yaml_io
from mbp.core.garbage import collect_seldom
from mbp.core.paths import project_root as find_project_root
from mbp.runs import guard
from tests.python.built import Built, build_once
from tests.python.parses import share_parses, spare_work

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# By day the same few examples in every run: a merge must not depend on the luck of the draw. Every night many others
# (make test-nightly).
settings.register_profile("day", max_examples=60, derandomize=True, deadline=None)
settings.register_profile("night", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "day"))

LONG = {"built", "postgres_server"}

# As `mbp` does it.
collect_seldom()

# What documents say of commands is checked against the program's own.
register()

# typer builds the tree of all commands again for each that a test runs (80 ms).
typer.testing._get_command = cache(typer.main.get_command)

# A shell starts what runs in the background with Ctrl-C ignored, and so would be every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what nightly.yaml names, and puts first the files that build or need a server, then those of most tests.

    They take the longest: begun last, one of them would keep a single process busy at the end.

    Raises:
        UsageError: nothing that was collected of a test has the parameters that an entry names.
    """
    names = {item.nodeid.removeprefix("tests/python/"): item for item in items}
    whole = not any("::" in argument for argument in config.args)
    for entry in yaml_io.load(Path(__file__).parent / "nightly.yaml"):
        only = entry.get("only", "")
        for test in entry["tests"]:
            of_test = [name for name in names if name.startswith(test)]
            reached = [name for name in of_test if only in name]
            if whole and of_test and not reached:
                raise pytest.UsageError(
                    f"tests/python/nightly.yaml: no test of {test} has {only!r}"
                )
            for name in reached:
                names[name].add_marker(pytest.mark.nightly)
    long = {item.path for item in items if LONG.intersection(getattr(item, "fixturenames", ()))}
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in long, -sizes[item.path], item.path))


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
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of the run see: what is made once for all lies there."""
    own = tmp_path_factory.getbasetemp()
    # Each process of pytest-xdist has a folder in that of the run.
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def parses(shared: Path) -> Iterator[None]:
    """Whatever a test lets dbt parse, the run parses once."""
    install = guard.install

    def install_and_share() -> None:
        install()
        spare_work()
        share_parses(shared / "parses")

    # `run_dbt` calls it first.
    guard.install = install_and_share
    yield
    guard.install = install


@pytest.fixture(scope="session")
def built(
    project_root: Path,
    postgres_server: PostgresServer,
    shared: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    """The sample, built once on both engines; spoil copies of it only."""
    return build_once(project_root, postgres_server, shared, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One real Chromium for the whole run; MBP_DEMAND_CHROMIUM makes its absence a failure, as in its CI job."""
    from scripts.screenshots import INSTALL, chromium, installed

    if installed() is None and os.environ.get("MBP_DEMAND_CHROMIUM"):
        pytest.fail(f"chromium is not installed: {INSTALL}")
    if installed() is None:
        pytest.skip(f"chromium is not installed, so no browser looked at the page: {INSTALL}")
    with chromium() as found:
        yield found
