"""After any build, partial or failed, every relation is there; readers see rows all the time, whatever goes on."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mbp.operate.degrade.reader_snapshot import take
from mbp.warehouse import connect
from tests.python.operate.degrade.test_switch import in_place, off, on
from tests.python.operate.hooks.conftest import Site

BUILDS = {
    "one dataset": ("build", "--select", "mbp_markets"),
    "the selector of the day": ("build", "--selector", "daily_incremental"),
    "from scratch": (
        "build",
        "--full-refresh",
        "--select",
        "int_mbp__markets_latest+1",
        "raw_mbp__markets",
    ),
}
# Where an analyst makes views: on tables and views of every layer.
READ_BY_ANALYSTS = (
    "marts.mbp_markets",
    "marts.mbp_quotes",
    "staging.stg_mbp__quotes",
    "intermediate.int_mbp__markets_latest",
    "sample_mbp.markets",
    "reference.quality_rules",
    "published.mbp_quotes",
)


def relations(site: Site) -> set[tuple[object, ...]]:
    return set(
        site.rows(
            "select table_schema, table_name, table_type from information_schema.tables"
            " where table_schema not in ('information_schema', 'pg_catalog')"
        )
    )


def views_of_analysts(site: Site) -> None:
    there = {f"{schema}.{name}" for schema, name, _ in relations(site)}
    site.execute("create schema analysts")
    for name in READ_BY_ANALYSTS:
        assert name in there, name
        view = f"analysts.on_{name.replace('.', '_')}"
        site.execute(
            f"create view {view} as select * from {name}",
            f"create view {view}_deep as select count(*) as n from {view}",
        )


def all_read(site: Site) -> None:
    for schema, name, kind in relations(site):
        if kind == "VIEW":
            site.rows(f"select * from {schema}.{name} limit 1")


@pytest.mark.parametrize("arguments", BUILDS.values(), ids=BUILDS)
def test_a_partial_build_takes_nothing_away(site: Site, arguments: tuple[str, ...]) -> None:
    views_of_analysts(site)
    before = relations(site)
    site.run(*arguments, ok=False)
    assert before <= relations(site)
    all_read(site)
    assert in_place(site) == "live"


def test_a_failed_build_takes_nothing_away(site: Site) -> None:
    views_of_analysts(site)
    before = relations(site)
    site.execute("update sample_mbp.markets set name = ''")
    site.run("build", "--full-refresh", "--exclude", "resource_type:seed", ok=False)
    assert before <= relations(site)
    all_read(site)
    assert in_place(site) == "live"


class Reader(threading.Thread):
    """Reads the views again and again until it is stopped, on a connection of its own."""

    def __init__(self, site: Site, statements: tuple[str, ...], stop: threading.Event) -> None:
        super().__init__()
        self.site, self.statements, self.stop = site, statements, stop
        self.reads = 0
        self.errors: list[str] = []

    def run(self) -> None:
        with connect(self.site.root, self.site.target) as warehouse:
            while not self.stop.is_set():
                try:
                    with warehouse.transaction():
                        for statement in self.statements:
                            ((count,),) = warehouse.query(statement)[1]
                            if not count:
                                self.errors.append(f"no rows: {statement}")
                            self.reads += 1
                except Exception as error:  # each is counted
                    self.errors.append(str(error))


MARKETS, QUOTES = "published.mbp_markets", "published.mbp_quotes"
READS = (
    (f"select count(*) from {MARKETS} as m join {QUOTES} as q on q.market_id = m.market_id",),
    (f"select count(*) from {QUOTES} as q join {MARKETS} as m on q.market_id = m.market_id",),
    (f"select count(*) from {QUOTES}", f"select count(*) from {MARKETS}"),
)
SWITCHES, BUILDS_UNDER_LOAD = 20, 2


@pytest.mark.postgres
def test_readers_builds_and_switches_do_not_kill_each_other(postgres_site: Site) -> None:
    site = postgres_site
    take(site.root, site.target)
    stop = threading.Event()
    readers = [Reader(site, statements, stop) for statements in READS]
    failures: list[str] = []

    def guarded(work: Callable[[], Any]) -> None:
        try:
            work()
        except Exception as error:
            failures.append(str(error))

    def switch() -> None:
        for move in itertools.islice(itertools.cycle((on, off)), SWITCHES):
            guarded(lambda move=move: move(site))

    switching = threading.Thread(target=switch)
    try:
        for thread in (*readers, switching):
            thread.start()
        for _ in range(BUILDS_UNDER_LOAD):
            guarded(
                lambda: site.run(
                    "run", "--full-refresh", "--select", "mbp_markets", "mbp_quotes", "kpi_windows"
                )
            )
        switching.join()
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert [error for reader in readers for error in reader.errors] == []
    assert failures == []
    assert min(reader.reads for reader in readers) > SWITCHES
    off(site)
    assert in_place(site) == "live"
