"""What counts as described, what is missing, and what is described but not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from mbp.cli import app, register
from mbp.coverage import CoverageReport, measure
from mbp.coverage.measure import DESCRIBED, MISSING, NOT_BUILT, NOT_THERE, says_something
from mbp.coverage.report import as_document, as_text, badge, worse_than
from mbp.errors import MbpError

GOOD = "Price of the YES share."


def node(name: str, columns: dict[str, str], **more: Any) -> dict[str, Any]:
    """A manifest node of the project `mbp` in models/marts, described unless told otherwise."""
    return {
        "name": name,
        "resource_type": "model",
        "package_name": "mbp",
        "original_file_path": "models/marts/x.sql",
        "description": "One row per quote.",
        "columns": {key: {"description": text} for key, text in columns.items()},
        "config": {"materialized": "table"},
        **more,
    }


def artifacts(
    nodes: dict[str, dict[str, Any]], there: dict[str, list[str]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    sources = {key: one for key, one in nodes.items() if one["resource_type"] == "source"}
    others = {key: one for key, one in nodes.items() if key not in sources}
    catalog = {key: {"columns": {name: {} for name in names}} for key, names in there.items()}
    metadata = {"metadata": {"project_name": "mbp"}}
    return (
        {**metadata, "nodes": others, "sources": sources},
        {
            **metadata,
            "nodes": {key: one for key, one in catalog.items() if key not in sources},
            "sources": {key: one for key, one in catalog.items() if key in sources},
        },
    )


def measured(nodes: dict[str, dict[str, Any]], there: dict[str, list[str]]) -> CoverageReport:
    return measure(*artifacts(nodes, there))


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "  \n",
        "TODO",
        "todo: describe",
        "TBD",
        "n/a",
        "N/A.",
        "-",
        "...",
        "price",
        "Price",
        "The price.",
        "The price column",
        "PRICE!",
        "No description",
        "lorem ipsum dolor",
    ],
)
def test_says_nothing(text: str | None) -> None:
    assert not says_something(text, "price")


@pytest.mark.parametrize(
    "text", ["The market id", "Market ID.", "market_id", "The id of the market id"]
)
def test_a_name_in_other_letters_says_nothing(text: str) -> None:
    assert says_something(text, "market_id") is (text == "The id of the market id")


@pytest.mark.parametrize(
    "text", [GOOD, "Preço da opção SIM.", "Identifies the quote.", "市場の価格"]
)
def test_says_something(text: str) -> None:
    assert says_something(text, "price")


def test_the_three_numbers() -> None:
    report = measured(
        {
            "model.mbp.q": node(
                "q", {"price": GOOD, "Volume": "Shares traded.", "gone": GOOD, "depth": "TBD"}
            )
        },
        {"model.mbp.q": ["PRICE", "volume", "depth", "undocumented"]},
    )
    assert (report.count.described, report.count.missing, report.count.not_there) == (3, 2, 1)
    assert report.count.percent == pytest.approx(60.0)
    assert [item.column for item in report.of(NOT_THERE)] == ["gone"]
    assert [item.column for item in report.of(MISSING)] == ["depth", "undocumented"]


def test_a_relation_that_was_not_built_is_told() -> None:
    report = measured(
        {"model.mbp.q": node("q", {}), "model.mbp.r": node("r", {})}, {"model.mbp.q": []}
    )
    assert [item.unique_id for item in report.of(NOT_BUILT)] == ["model.mbp.r"]
    assert report.count.total == 1


def test_ephemeral_models_other_packages_and_other_kinds_do_not_count() -> None:
    nodes = {
        "model.mbp.q": node("q", {}),
        "model.mbp.e": node("e", {}, config={"materialized": "ephemeral"}),
        "model.other.o": node("o", {}, package_name="other"),
        "test.mbp.t": node("t", {}, resource_type="test"),
    }
    assert {item.unique_id for item in measured(nodes, {"model.mbp.q": []}).items} == {
        "model.mbp.q"
    }


def test_a_source_and_the_seed_that_fills_it_are_two() -> None:
    nodes = {
        "source.mbp.raw.quotes": node("quotes", {"price": GOOD}, resource_type="source"),
        "seed.mbp.quotes": node("quotes", {"price": " "}, resource_type="seed"),
    }
    report = measured(nodes, {"source.mbp.raw.quotes": ["price"], "seed.mbp.quotes": ["price"]})
    states = {(item.unique_id, item.column): item.state for item in report.items}
    assert states["source.mbp.raw.quotes", "price"] == DESCRIBED
    assert states["seed.mbp.quotes", "price"] == MISSING


@pytest.mark.parametrize("there", [{}, {"model.mbp.q": []}])
def test_nothing_to_look_at_is_an_error(there: dict[str, list[str]]) -> None:
    nodes = {} if there else {"model.mbp.q": node("q", {})}
    with pytest.raises(MbpError, match="nothing was checked"):
        measured(nodes, there)


def test_per_folder_and_per_public_dataset() -> None:
    nodes = {
        "model.mbp.mbp_q": node("mbp_q", {"a": GOOD}, access="public"),
        "model.mbp.stg": node("stg", {}, original_file_path="models/staging/s.sql"),
    }
    report = measured(nodes, {"model.mbp.mbp_q": ["a"], "model.mbp.stg": ["b"]})
    assert list(report.by("folder")) == ["models/marts", "models/staging"]
    assert list(report.by("dataset")) == ["mbp_q"]
    assert report.by("folder")["models/staging"].percent == 50.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Artifacts of a project with 2 of 3 things described."""
    parts = artifacts(
        {"model.mbp.q": node("q", {"price": GOOD})}, {"model.mbp.q": ["price", "depth"]}
    )
    for name, part in zip(("manifest.json", "catalog.json"), parts, strict=True):
        (tmp_path / name).write_text(json.dumps(part))
    return tmp_path


def command(*arguments: str) -> Any:
    register()
    return CliRunner().invoke(app, ["docs", "coverage", *arguments])


def test_the_threshold_of_the_policy_decides(folder: Path) -> None:
    result = command("--artifacts", str(folder))
    assert result.exit_code == 1
    assert "missing: model.mbp.q.depth" in result.stdout
    assert "coverage is 66.7 %, demanded 95 %" in result.stderr
    assert command("--artifacts", str(folder), "--fail-under", "60").exit_code == 0


def test_json_is_stable_and_compares_with_an_earlier_run(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "coverage.json"
    arguments = ["--artifacts", str(folder), "--fail-under", "0"]
    assert command(*arguments, "--json", str(target)).exit_code == 0
    first = target.read_text()
    assert command(*arguments, "--json", "-").stdout == first
    assert json.loads(first)["percent"] == pytest.approx(66.6667)
    assert command(*arguments, "--compare", str(target)).exit_code == 0
    better = json.loads(first)
    better["percent"] = 100.0
    for item in better["items"]:
        item["state"] = DESCRIBED
    target.write_text(json.dumps(better))
    result = command(*arguments, "--compare", str(target))
    assert result.exit_code == 1
    assert "no longer described: model.mbp.q.depth" in result.stderr
    assert "coverage fell from 100.0 % to 66.7 %" in result.stderr


def test_documented_but_not_there_fails_whatever_the_percentage(tmp_path: Path) -> None:
    parts = artifacts({"model.mbp.q": node("q", {"gone": GOOD})}, {"model.mbp.q": []})
    for name, part in zip(("manifest.json", "catalog.json"), parts, strict=True):
        (tmp_path / name).write_text(json.dumps(part))
    result = command("--artifacts", str(tmp_path))
    assert result.exit_code == 1
    assert "1 documented but not there" in result.stderr


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 9, "percent": 1, "items": []}'])
def test_an_earlier_report_that_cannot_be_read_is_an_error(
    folder: Path, tmp_path: Path, content: str
) -> None:
    report = measure(
        *(json.loads((folder / name).read_text()) for name in ("manifest.json", "catalog.json"))
    )
    earlier = tmp_path / "earlier.json"
    earlier.write_text(content)
    with pytest.raises(MbpError, match="coverage report"):
        worse_than(report, earlier)


def test_a_missing_artifact_is_an_error(tmp_path: Path) -> None:
    result = command("--artifacts", str(tmp_path))
    assert isinstance(result.exception, MbpError)
    assert "manifest.json" in str(result.exception)


def test_the_badge_is_svg_with_a_title(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "badge.svg"
    command("--artifacts", str(folder), "--fail-under", "0", "--badge", str(target))
    root = ElementTree.fromstring(target.read_text())  # noqa: S314 - our own file
    assert root.tag.endswith("svg")
    assert "67 %" in target.read_text()
    report = measured({"model.mbp.q": node("q", {})}, {"model.mbp.q": []})
    assert "#2e7d32" in badge(report, 95) and "#c62828" in badge(CoverageReport(()), 95)


def test_text_and_json_agree() -> None:
    report = measured(
        {"model.mbp.q": node("q", {"price": GOOD})}, {"model.mbp.q": ["price", "depth"]}
    )
    document = as_document(report)
    assert (document["described"], document["missing"], document["total"]) == (2, 1, 3)
    assert as_text(report).splitlines()[-2].split()[-1] == "66.7%"
