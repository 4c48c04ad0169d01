"""What counts as described, what is missing, and what is described but not there."""

from __future__ import annotations

import random
import unicodedata
from typing import Any

import pytest
from coverage_artifacts import GOOD, artifacts, measured, node

from mbp.core.errors import MbpError
from mbp.quality.coverage.coverage_measure import (
    DESCRIBED,
    MISSING,
    NOT_BUILT,
    NOT_THERE,
    PLACEHOLDERS,
    measure_coverage,
    says_something,
)

NOTHING = [
    *(None, "", "  \n\t", "\u00a0", "\u200b", "-", "...", "???", "🚀", "**"),
    *(
        "TODO",
        "todo: describe",
        "<!-- TODO -->",
        "TBD",
        "To do.",
        "to-do",
        "FIXME later",
        "\uff34\uff2f\uff24\uff2f",
    ),
    *("n/a", "N.A.", "None", "null", "(none)", "unknown", "No description.", "lorem ipsum dolor"),
    *("To be documented", "Coming soon...", "Add description", "xxx"),
]
SAME_AS_NAME = [
    ("price", "price"),
    ("price", "PRICE!"),
    ("price", "The price."),
    ("price", "This is the price column."),
    ("price", "`price`"),
    ("price", "Prices"),
    ("price", "The value of the price"),
    ("prices", "A price."),
    ("market_id", "market_id"),
    ("market_id", "The market id."),
    ("market_id", "Market ID"),
    ("market_id", "MarketId"),
    ("market_id", "The id of the market."),
    ("market_id", "Id for a market, market id"),
    ("MARKET_ID", "market id"),
    ("marketId", "Market id"),
    ("mbp_markets", "Table of MBP markets"),
    ("mbp_markets", "Markets."),
    ("the_name", "Name."),
    ("value", "The value"),
    ("preço", "Preço."),
    ("preço", unicodedata.normalize("NFD", "Preço")),
    ("straße", "STRASSE"),
]
SOMETHING = [
    ("price", GOOD),
    ("price", "Preço da opção SIM."),
    ("price", "市場の価格"),
    ("price", "Стоимость"),
    ("price", "Price before the TODO list was done."),
    ("market_id", "Identifies the market."),
    ("market_id", "The market that the quote belongs to."),
    ("id", "Identifies the quote."),
    ("name", "What people call the market."),
    ("opened_at", "When the market opened."),
    ("status", "One of open, paused, closed, unknown."),
    ("markets", "One row per market."),
]


@pytest.mark.parametrize("text", NOTHING)
def test_blanks_and_placeholders_say_nothing(text: str | None) -> None:
    assert not says_something(text, "price")


@pytest.mark.parametrize("text", sorted(PLACEHOLDERS))
def test_every_placeholder_is_caught_in_any_case_and_with_punctuation(text: str) -> None:
    assert not says_something(f" {text.upper()}. ", "price")


@pytest.mark.parametrize(("name", "text"), SAME_AS_NAME)
def test_the_name_in_other_letters_says_nothing(name: str, text: str) -> None:
    assert not says_something(text, name)


@pytest.mark.parametrize(("name", "text"), SOMETHING)
def test_says_something(name: str, text: str) -> None:
    assert says_something(text, name)


def test_the_three_numbers_with_columns_in_any_case() -> None:
    columns = {"price": GOOD, "Volume": "Shares traded.", "gone": GOOD, "depth": "TBD", "fee": None}
    report = measured(
        {"model.mbp.q": node("q", columns)},
        {"model.mbp.q": ["PRICE", "volume", "depth", "undocumented", "fee"]},
    )
    assert (report.count.described, report.count.missing, report.count.not_there) == (3, 3, 1)
    assert report.count.total == 6
    assert report.count.percent == 50.0
    assert [item.column for item in report.of(NOT_THERE)] == ["gone"]
    assert [item.column for item in report.of(MISSING)] == ["depth", "fee", "undocumented"]
    assert [item.column for item in report.of(DESCRIBED)] == ["", "price", "volume"]


@pytest.mark.parametrize("text", [None, "", " ", "TODO", "The q table."])
def test_a_relation_needs_a_description_of_its_own(text: str | None) -> None:
    report = measured(
        {"model.mbp.q": node("q", {"price": GOOD}, description=text)}, {"model.mbp.q": ["price"]}
    )
    assert [(item.unique_id, item.column) for item in report.of(MISSING)] == [("model.mbp.q", "")]


def test_a_relation_that_was_not_built_is_told_and_not_counted() -> None:
    report = measured(
        {"model.mbp.q": node("q", {}), "model.mbp.r": node("r", {"price": GOOD})},
        {"model.mbp.q": []},
    )
    assert [(item.unique_id, item.column) for item in report.of(NOT_BUILT)] == [("model.mbp.r", "")]
    assert report.count.total == 1


def test_ephemeral_models_other_packages_and_other_kinds_do_not_count() -> None:
    nodes = {
        "model.mbp.q": node("q", {}),
        "model.mbp.e": node("e", {"price": GOOD}, config={"materialized": "ephemeral"}),
        "model.other.o": node("o", {}, package_name="other"),
        "test.mbp.t": node("t", {}, resource_type="test"),
        "analysis.mbp.a": node("a", {}, resource_type="analysis"),
    }
    report = measured(nodes, {"model.mbp.q": [], "model.other.o": ["price"]})
    assert {item.unique_id for item in report.items} == {"model.mbp.q"}


def test_disabled_nodes_do_not_count() -> None:
    manifest, catalog = artifacts({"model.mbp.q": node("q", {})}, {"model.mbp.q": []})
    manifest["disabled"] = {"model.mbp.off": [node("off", {"price": GOOD})]}
    assert {item.unique_id for item in measure_coverage(manifest, catalog).items} == {"model.mbp.q"}


@pytest.mark.parametrize("kind", ["model", "seed", "snapshot", "source"])
def test_all_four_kinds_of_relations_count(kind: str) -> None:
    unique_id = f"{kind}.mbp.q"
    report = measured({unique_id: node("q", {}, resource_type=kind)}, {unique_id: ["price"]})
    assert (report.count.described, report.count.missing) == (1, 1)


def test_a_source_and_the_seed_that_fills_it_are_two() -> None:
    nodes = {
        "source.mbp.raw.quotes": node("quotes", {"price": GOOD}, resource_type="source"),
        "seed.mbp.quotes": node("quotes", {"price": " "}, resource_type="seed"),
    }
    report = measured(nodes, {"source.mbp.raw.quotes": ["price"], "seed.mbp.quotes": ["price"]})
    states = {(item.unique_id, item.column): item.state for item in report.items}
    assert states["source.mbp.raw.quotes", "price"] == DESCRIBED
    assert states["seed.mbp.quotes", "price"] == MISSING


def test_the_versions_of_a_model_are_apart() -> None:
    nodes = {
        f"model.mbp.q.v{version}": node("q", columns, version=version, access="public")
        for version, columns in ((1, {"price": " "}), (2, {"price": GOOD}))
    }
    report = measured(nodes, {"model.mbp.q.v1": ["price"], "model.mbp.q.v2": ["price"]})
    assert [item.unique_id for item in report.of(MISSING)] == ["model.mbp.q.v1"]
    assert {name: one.percent for name, one in report.by("dataset").items()} == {
        "q.v1": 50.0,
        "q.v2": 100.0,
    }


def test_per_folder_and_per_public_dataset() -> None:
    nodes = {
        "model.mbp.mbp_q": node("mbp_q", {"a": GOOD}, access="public"),
        "model.mbp.mbp_m": node("mbp_m", {"a": GOOD}, config={"access": "public"}),
        "model.mbp.stg": node("stg", {}, original_file_path="models\\staging\\s.sql"),
    }
    report = measured(
        nodes, {"model.mbp.mbp_q": ["a"], "model.mbp.mbp_m": [], "model.mbp.stg": ["b"]}
    )
    assert list(report.by("folder")) == ["models/marts", "models/staging"]
    assert list(report.by("dataset")) == ["mbp_m", "mbp_q"]
    assert report.by("folder")["models/staging"].percent == 50.0
    assert report.by("dataset")["mbp_m"].not_there == 1


def test_the_order_does_not_depend_on_the_order_in_the_artifacts() -> None:
    names = [f"c{number}" for number in range(20)]
    orders = []
    for seed in range(5):
        shuffled = random.Random(seed).sample(names, len(names))  # noqa: S311 - an order
        columns = {name: GOOD if int(name[1:]) % 2 else " " for name in shuffled}
        nodes = {f"model.mbp.{name}": node(name, columns) for name in shuffled}
        orders.append(measured(nodes, {key: list(columns) for key in nodes}).items)
    assert len(set(orders)) == 1
    assert list(orders[0]) == sorted(orders[0])


@pytest.mark.parametrize(
    ("nodes", "there"),
    [
        ({}, {}),
        ({"model.mbp.q": node("q", {})}, {}),
        ({}, {"model.other.o": ["price"]}),
        ({"model.mbp.q": node("q", {})}, {"model.other.o": ["price"]}),
        (
            {"model.mbp.e": node("e", {}, config={"materialized": "ephemeral"})},
            {"model.mbp.e": ["price"]},
        ),
    ],
    ids=["nothing", "empty catalog", "empty manifest", "of another package", "ephemeral only"],
)
def test_nothing_to_look_at_is_an_error(nodes: dict[str, Any], there: dict[str, list[str]]) -> None:
    with pytest.raises(MbpError, match=r"nothing was checked.*mbp build"):
        measured(nodes, there)


def test_a_catalog_of_another_run_is_an_error() -> None:
    with pytest.raises(MbpError, match=r"has model\.mbp\.dropped, .*of different runs"):
        measured(
            {"model.mbp.q": node("q", {})}, {"model.mbp.q": [], "model.mbp.dropped": ["price"]}
        )


def test_an_incomplete_catalog_is_an_error() -> None:
    manifest, catalog = artifacts({"model.mbp.q": node("q", {})}, {"model.mbp.q": []})
    catalog["errors"] = ["schema marts:\n  permission denied"]
    with pytest.raises(MbpError, match=r"incomplete: .*permission denied"):
        measure_coverage(manifest, catalog)


def test_a_manifest_in_the_place_of_the_catalog_is_an_error() -> None:
    manifest, catalog = artifacts({"model.mbp.q": node("q", {})}, {"model.mbp.q": []})
    with pytest.raises(MbpError, match=r"catalog\.json is not the catalog of dbt .*manifest/v12"):
        measure_coverage(manifest, manifest)
    with pytest.raises(MbpError, match=r"manifest\.json is not the manifest of dbt"):
        measure_coverage(catalog, catalog)


@pytest.mark.parametrize(
    "damage", [None, [], "text", {"m": None}, {"m": {}}, {"m": {**node("m", {}), "columns": 5}}]
)
@pytest.mark.parametrize("section", ["nodes", "sources"])
@pytest.mark.parametrize("which", [0, 1], ids=["manifest", "catalog"])
def test_damaged_artifacts_are_an_error(which: int, section: str, damage: Any) -> None:
    parts = artifacts({"model.mbp.q": node("q", {})}, {"model.mbp.q": []})
    parts[which][section] = damage
    with pytest.raises(MbpError, match="of dbt"):
        measure_coverage(*parts)
