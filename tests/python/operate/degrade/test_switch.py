"""Readers on the live rows and on the snapshot, on both engines: what they see, and what cannot go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from lab.simulate.schema import CONTRACTS
from mbp.cli.main import app, register
from mbp.contracts import Contract, load_contracts
from mbp.core.errors import MbpError
from mbp.core.masking import mask
from mbp.operate.degrade import reader_views
from mbp.operate.degrade.reader_snapshot import take
from mbp.operate.degrade.switch import (
    Copy,
    RefusedSwitchError,
    Switch,
    copies,
    degrade,
    in_force,
    recover,
    status,
)
from mbp.warehouse import Warehouse
from tests.python.operate.hooks.conftest import Site

DATASETS = tuple(CONTRACTS)
CHANGED = "update marts.mbp_markets set name = 'changed'"
SEEN = "select count(*) from published.mbp_markets where name = 'changed'"


def on(site: Site, **how: Any) -> Switch:
    with site.open() as warehouse:
        return degrade(warehouse, reason="test", **how)


def off(site: Site, **how: Any) -> Switch | None:
    with site.open() as warehouse:
        return recover(warehouse, reason="test", **how)


def shape(site: Site, schema: str) -> dict[str, list[tuple[str, ...]]]:
    with site.open() as warehouse:
        return {one: reader_views.columns(warehouse, schema, one) for one in DATASETS}


def changed(site: Site) -> int:
    ((count,),) = site.rows(SEEN)
    return int(str(count))


def in_place(site: Site) -> str:
    """The mode in force; every view is where it says."""
    with site.open() as warehouse:
        found = status(warehouse)
    assert not found.problems, found.problems
    assert sorted(found.as_of) == sorted(DATASETS)
    return found.switch.mode


def test_both_modes_have_the_columns_types_and_rows_of_the_marts(site: Site) -> None:
    datasets = sorted(one.dataset for one in load_contracts(site.root))
    assert datasets == sorted(DATASETS)
    marts = shape(site, "marts")
    assert all(marts.values())
    assert shape(site, "published") == marts
    assert in_place(site) == "live"
    take(site.root, site.target)
    on(site)
    assert in_place(site) == "snapshot"
    assert shape(site, "published") == marts
    for contract in load_contracts(site.root):
        columns = ", ".join(column.name for column in contract.columns)
        live, seen = (
            site.rows(
                f"select {columns} from {schema}.{contract.dataset} order by {contract.key.name}"
            )
            for schema in ("marts", "published")
        )
        assert live
        assert seen == [masked(contract, row) for row in live]


def masked(contract: Contract, row: Sequence[object]) -> tuple[object, ...]:
    """A row as its contract lets readers see it."""
    return tuple(
        value if column.classification in ("public", "internal") else mask(value)
        for column, value in zip(contract.columns, row, strict=True)
    )


def test_live_readers_see_classified_columns_masked(site: Site) -> None:
    hidden = 0
    for contract in load_contracts(site.root):
        closed = [one.name for one in contract.columns if not one.open]
        hidden += len(closed)
        for name in closed:
            live, seen = (
                {
                    row[0]: row[1]
                    for row in site.rows(
                        f"select {contract.key.name}, {name} from {schema}.{contract.dataset}"
                    )
                }
                for schema in ("marts", "published")
            )
            assert live.keys() == seen.keys()
            assert any(value is not None for value in live.values())
            assert seen == {key: mask(value) for key, value in live.items()}
    assert hidden > 0


def test_a_classified_column_that_is_no_text_is_empty_for_readers(site: Site) -> None:
    site.execute(
        "update snapshot.masks set columns = 'price,quoted_at' where dataset = 'mbp_quotes'"
    )
    with site.open() as warehouse:
        reader_views.point(warehouse, "mbp_quotes", "marts", "mbp_quotes")
    assert shape(site, "published") == shape(site, "marts")
    assert site.rows("select distinct price, quoted_at from published.mbp_quotes") == [(None, None)]


def test_what_is_classified_must_be_known(site: Site) -> None:
    take(site.root, site.target)
    site.execute("delete from snapshot.masks where dataset = 'mbp_abuse_events'")
    with pytest.raises(MbpError, match="which columns of mbp_abuse_events are classified"):
        on(site)
    assert in_place(site) == "live"


def test_readers_keep_the_snapshot_until_they_are_brought_back(site: Site) -> None:
    take(site.root, site.target)
    live = site.rows("select * from published.data_as_of order by dataset")
    assert [row[1] for row in live] == ["live"] * len(DATASETS)
    site.execute(CHANGED)
    assert changed(site) > 0  # live readers see what there is
    on(site)
    assert changed(site) == 0
    marked = site.rows("select dataset, mode, as_of from published.data_as_of order by dataset")
    assert marked == [(row[0], "snapshot", row[2]) for row in live]
    assert all(row[2] is not None for row in marked)
    off(site)
    assert changed(site) > 0
    assert in_place(site) == "live"


def test_again_changes_nothing(site: Site) -> None:
    take(site.root, site.target)
    first = on(site, decision_id="one")
    assert on(site, decision_id="two") == first
    assert off(site, decision_id="two") is None  # not its switch
    assert in_place(site) == "snapshot"
    back = off(site, decision_id="one")
    assert back is not None
    assert off(site) == back
    assert off(site, decision_id="one") is None
    assert site.rows("select number, mode from snapshot.switches order by 1") == [
        (1, "snapshot"),
        (2, "live"),
    ]


def test_without_a_snapshot_readers_stay_where_they_are(site: Site) -> None:
    with pytest.raises(RefusedSwitchError, match=r"no complete snapshot.*Fix: `mbp build`"):
        on(site)
    assert in_place(site) == "live"
    assert site.rows("select * from snapshot.switches") == []


def test_a_warehouse_without_the_switch_is_told(site: Site) -> None:
    site.execute("drop table snapshot.switches" + (" cascade" if site.target == "postgres" else ""))
    for call in (on, off):
        with pytest.raises(MbpError, match="Fix: run `mbp build`"):
            call(site)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("delete from snapshot.mbp_quotes__1 where price > 0.5", "is not what was stored"),
        ("update snapshot.mbp_markets__1 set name = 'x'", "is not what was stored"),
        ("delete from snapshot.copies where dataset = 'mbp_quotes'", "has no mbp_quotes"),
        ("drop table snapshot.mbp_resolutions__1", "is missing"),
        ("alter table marts.mbp_markets add column more integer", "the columns of mbp_markets"),
    ],
)
def test_a_snapshot_that_is_not_whole_is_refused(site: Site, harm: str, told: str) -> None:
    take(site.root, site.target)
    site.execute(harm)
    with pytest.raises(RefusedSwitchError, match=told):
        on(site)
    with site.open() as warehouse:
        assert in_force(warehouse).mode == "live"


def test_the_next_snapshot_replaces_the_last_one(site: Site) -> None:
    first = take(site.root, site.target)
    second = take(site.root, site.target)
    assert {one.generation for one in first} == {1}
    assert {one.generation for one in second} == {2}
    assert [one.digest for one in first] == [one.digest for one in second]
    tables = site.rows(
        "select table_name from information_schema.tables"
        " where table_schema = 'snapshot' and table_name like 'mbp_%' order by 1"
    )
    assert [name for (name,) in tables] == [f"{one}__2" for one in DATASETS]
    on(site)
    assert in_place(site) == "snapshot"


def test_a_snapshot_in_use_is_not_replaced(site: Site) -> None:
    (first, *_) = take(site.root, site.target)
    on(site)
    with pytest.raises(RefusedSwitchError, match="is not replaced"):
        take(site.root, site.target)
    with site.open() as warehouse:
        assert copies(warehouse)[0] == first
    assert in_place(site) == "snapshot"


def spoil(site: Site, change: Callable[[Any], None]) -> None:
    path = site.artifacts / "target" / "run_results.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def fail_a_rule(document: Any) -> None:
    one = next(one for one in document["results"] if "mbp_quotes_cdc_no_loss" in one["unique_id"])
    one.update(status="fail", failures=1)


def ask_nothing_of_quotes(document: Any) -> None:
    document["results"] = [
        one for one in document["results"] if "mbp_quotes_cdc_no_loss" not in one["unique_id"]
    ]


def be_another_run(document: Any) -> None:
    document["metadata"]["invocation_id"] = "another"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (fail_a_rule, "is not green"),
        (ask_nothing_of_quotes, "does not count: .*a part of the project"),
        (be_another_run, "does not count|are not of the run"),
    ],
)
def test_what_was_not_found_whole_is_no_snapshot(
    site: Site, change: Callable[[Any], None], told: str
) -> None:
    before = take(site.root, site.target)
    spoil(site, change)
    # A run of another project is no finding: it is no run to judge by.
    with pytest.raises(MbpError if change is be_another_run else RefusedSwitchError, match=told):
        take(site.root, site.target)
    with site.open() as warehouse:
        assert copies(warehouse) == before


def test_rows_of_a_later_run_are_no_snapshot(site: Site) -> None:
    site.run("run", "--full-refresh", "--select", "mbp_markets")
    kept = site.artifacts / "target" / "run_results.json"
    assert kept.is_file()
    with pytest.raises(MbpError):  # of a run that tested nothing
        take(site.root, site.target)


def test_without_a_run_there_is_nothing_to_look_at(site: Site) -> None:
    (site.artifacts / "target" / "run_results.json").unlink()
    with pytest.raises(MbpError, match="no run to read") as caught:
        take(site.root, site.target)
    assert not isinstance(caught.value, RefusedSwitchError)


class CutOffError(Exception):
    """The process ends here."""


@contextmanager
def cut_off_at(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, number: int
) -> Iterator[None]:
    """The call of that number does its work and then never comes back."""
    real, calls = getattr(module, name), [0]

    def call(*arguments: Any) -> Any:
        result = real(*arguments)
        calls[0] += 1
        if calls[0] == number:
            raise CutOffError
        return result

    with monkeypatch.context() as patched, pytest.raises(CutOffError):
        patched.setattr(module, name, call)
        yield


@pytest.mark.parametrize("number", [1, 3, 4])
def test_cut_off_between_two_views_nothing_happened(
    site: Site, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    take(site.root, site.target)
    with cut_off_at(monkeypatch, reader_views, "point", number):
        on(site)
    assert in_place(site) == "live"
    on(site)
    with cut_off_at(monkeypatch, reader_views, "point", number):
        off(site)
    assert in_place(site) == "snapshot"


@pytest.mark.parametrize(("name", "number"), [("copy", 1), ("copy", 4), ("one_at_a_time", 2)])
def test_a_snapshot_that_was_cut_off_leaves_the_last_one(
    site: Site, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    before = take(site.root, site.target)
    with cut_off_at(monkeypatch, reader_views, name, number):
        take(site.root, site.target)
    with site.open() as warehouse:
        assert copies(warehouse) == before
    on(site)
    assert in_place(site) == "snapshot"


def test_a_view_that_somebody_moved_is_told_and_mended(site: Site) -> None:
    take(site.root, site.target)
    on(site)
    site.execute(
        "create or replace view published.mbp_quotes as select * from marts.mbp_quotes",
        "drop view published.mbp_markets",
    )
    with site.open() as warehouse:
        found = status(warehouse)
    assert len(found.problems) == 2
    on(site)
    assert in_place(site) == "snapshot"


def test_the_commands(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.setenv("MBP_PROJECT_DIR", str(site.root))

    def run(*words: str) -> tuple[int, str]:
        found = CliRunner().invoke(app, ["degrade", *words])
        if isinstance(found.exception, MbpError):
            return 2, str(found.exception)  # as main() tells it
        return found.exit_code, found.output

    code, told = run("on")
    assert (code, "no complete snapshot" in told) == (1, True)
    assert run("status")[0] == 0
    code, told = run("snapshot", "--format", "json")
    assert code == 0
    assert {one["rows"] > 0 for one in json.loads(told)} == {True}
    code, told = run("on", "--reason", "slot lost")
    assert (code, "as of 2026-01-06" in told) == (0, True)
    code, told = run("status")
    assert (code, "slot lost" in told) == (1, True)
    document = json.loads(run("status", "--format", "json")[1])
    assert document["switch"]["mode"] == "snapshot"
    assert run("snapshot")[0] == 1
    site.execute("drop view published.mbp_markets")
    assert run("status")[0] == 2
    assert run("off")[0] == 0
    assert run("status")[0] == 0


def test_a_copy_knows_its_table() -> None:
    moment: Any = None
    assert Copy("mbp_quotes", 7, "run", None, moment, 1, "d").table == "mbp_quotes__7"


def point_nowhere(warehouse: Warehouse) -> None:
    reader_views.point(warehouse, "mbp_markets", "marts", "not_there")


def test_an_error_of_the_engine_is_one_line(site: Site) -> None:
    with site.open() as warehouse:
        with (
            pytest.raises(MbpError, match="readers were not moved, nothing was changed") as caught,
            reader_views.explained("readers were not moved", "try again"),
        ):
            point_nowhere(warehouse)
        assert "\n" not in str(caught.value)
    assert in_place(site) == "live"
