"""Builds do not move readers that are degraded and keep the views of those that are not; the watcher switches."""

from __future__ import annotations

import json

import pytest

from mbp.operate.degrade import reader_snapshot, reader_views
from mbp.operate.degrade.switch import in_force
from mbp.warehouse import Warehouse
from tests.python.operate.degrade.test_switch import (
    CHANGED,
    changed,
    degrade,
    in_place,
    off,
    on,
    shape,
    take,
)
from tests.python.operate.hooks.conftest import Site

SLOW_LOG = (
    "update reliability.kpi_cdc_lag set p95_seconds = {} where window_end >= ("
    "select max(window_end) - interval '30 minutes' from reliability.kpi_cdc_lag)"
)
BUILDS = [
    ("run", "--select", "models/marts/mbp", "models/published"),
    ("run", "--full-refresh", "--select", "models/marts/mbp"),
    ("run", "--full-refresh", "--select", "int_mbp__markets_latest", "mbp_markets"),
    ("build", "--full-refresh", "--exclude", "resource_type:test"),
]


@pytest.mark.parametrize("arguments", BUILDS, ids=lambda one: " ".join(one[:3]))
def test_no_build_moves_readers(site: Site, arguments: tuple[str, ...]) -> None:
    marts = shape(site, "marts")
    site.run(*arguments)
    assert in_place(site) == "live"
    assert shape(site, "published") == marts
    site.execute(CHANGED)
    assert changed(site) > 0  # it is the new table that they see
    # The built copy's own run is over: the snapshot is taken of rows that this run made, without its tests.
    with site.open() as warehouse:
        _replace_for_test(warehouse)
    site.execute("update marts.mbp_markets set name = 'later'")
    on(site)
    before = changed(site)
    assert before > 0
    site.run(*arguments)
    assert in_place(site) == "snapshot"
    assert changed(site) == before
    off(site)
    assert in_place(site) == "live"
    assert changed(site) == 0


def _replace_for_test(warehouse: Warehouse) -> None:

    _, rows = warehouse.query("select dataset, build_id from snapshot.builds order by 1")
    warehouse.execute("update snapshot.builds set build_id = 'one'")
    with warehouse.transaction():
        reader_snapshot._replace(warehouse, [one for one, _ in rows], "one")


def test_a_failing_rule_does_not_take_the_views_away(site: Site) -> None:
    """dbt skips what is downstream of a failing test; the views are made by the datasets themselves."""
    schema = "sample_mbp"
    site.execute(
        f"update {schema}.markets set name = '' where market_id ="
        f" (select min(market_id) from {schema}.markets)"
    )
    site.run("build", "--full-refresh", "--exclude", "resource_type:seed", "raw_*", ok=False)
    assert in_place(site) == "live"


def test_views_of_analysts_survive(site: Site) -> None:
    take(site.root, site.target)
    site.execute(
        "create schema analysts",
        "create view analysts.prices as select market_id, price from published.mbp_quotes",
    )
    site.run("run", "--full-refresh", "--select", "mbp_quotes")
    assert site.rows("select count(*) > 0 from analysts.prices") == [(True,)]
    on(site)
    assert site.rows("select count(*) > 0 from analysts.prices") == [(True,)]


def test_a_new_column_reaches_live_readers(site: Site) -> None:
    site.execute(
        "create table snapshot.wide as select *, 1 as more from marts.mbp_markets",
    )

    with site.open() as warehouse:
        reader_views.point(warehouse, "mbp_markets", "snapshot", "wide")
        assert reader_views.columns(warehouse, "published", "mbp_markets")[-1][0] == "more"
    site.run("run", "--full-refresh", "--select", "mbp_markets")
    assert shape(site, "published") == shape(site, "marts")


def test_the_watcher_degrades_readers_and_brings_them_back(site: Site) -> None:
    take(site.root, site.target)
    site.runs_are_green()
    site.execute(SLOW_LOG.format(180))
    watched = site.watch()
    (decision,) = watched.outcome.opened
    assert (decision.hook_id, decision.reason) == ("cdc_delay", "breach")
    told = watched.done[decision.decision_id]
    assert "readers see the snapshot as of 2026-01-06" in told
    assert "degrade queued" in told
    assert in_place(site) == "snapshot"
    ((mode, since, by),) = site.rows(
        "select distinct mode, since, decision_id from published.data_as_of"
    )
    assert (mode, since, by) == ("snapshot", decision.opened_at, decision.decision_id)
    site.watch()
    assert in_place(site) == "snapshot"
    site.execute(SLOW_LOG.format(1))
    closed = site.watch()
    (recovered,) = closed.outcome.recovered
    assert "readers see the live rows" in closed.done[recovered.decision_id]
    assert in_place(site) == "live"
    message = json.loads(
        (site.state / "outbox" / f"{decision.decision_id}.degrade.recovered.json").read_text()
    )
    assert message["body"]["action"] == "degrade"


def test_the_watcher_says_so_when_there_is_no_snapshot(site: Site) -> None:
    site.runs_are_green()
    site.execute(SLOW_LOG.format(180))
    watched = site.watch()
    (decision,) = watched.outcome.opened
    assert "degrade NOT done: there is no complete snapshot" in watched.done[decision.decision_id]
    assert not watched.passed
    assert in_place(site) == "live"
    site.execute(SLOW_LOG.format(1))
    closed = site.watch()
    assert "readers left as they are: they are live" in closed.done[decision.decision_id]


def test_what_a_person_degraded_a_person_brings_back(site: Site) -> None:
    take(site.root, site.target)
    with site.open() as warehouse:
        degrade(warehouse, reason="maintenance")
    site.runs_are_green()
    site.execute(SLOW_LOG.format(180))
    watched = site.watch()
    (decision,) = watched.outcome.opened
    assert "degraded before by a person" in watched.done[decision.decision_id]
    site.execute(SLOW_LOG.format(1))
    closed = site.watch()
    told = closed.done[decision.decision_id]
    assert "readers left as they are: degraded before by a person" in told
    assert in_place(site) == "snapshot"


def test_what_nobody_could_see_degrades_nobody(site: Site) -> None:
    take(site.root, site.target)
    site.runs_are_green()
    site.execute("delete from reliability.kpi_cdc_lag")
    watched = site.watch()
    reasons = {one.hook_id: (one.reason, one.actions) for one in watched.outcome.opened}
    assert reasons["cdc_delay"] == ("unknown", ("open_incident",))
    assert in_place(site) == "live"
    with site.open() as warehouse:
        assert in_force(warehouse).number == 0
