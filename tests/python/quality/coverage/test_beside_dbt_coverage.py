"""dbt-coverage judges the same artifacts: every column it sees otherwise has a named reason.

dbt-coverage knows a relation by `schema.name`, we by dbt's unique id; it takes any text that is not
the empty string for a description. Everything else must agree, column by column, both ways.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from mbp.quality.coverage.coverage_measure import (
    DESCRIBED,
    MISSING,
    NOT_BUILT,
    NOT_THERE,
    Item,
    measure_coverage,
)
from mbp.runs.dbt_process import demand, run_dbt
from tests.python.built import Built

PROJECT = """
name: scratch
version: "1.0.0"
profile: mbp
models: {+materialized: table}
seeds: {+schema: raw}
"""
PROFILES = """
mbp: {target: duckdb, outputs: {duckdb: {type: duckdb, path: "%s", schema: main}}}
"""
PROPERTIES = """
version: 2
sources:
  - name: raw
    schema: main_raw
    tables:
      - name: quotes
        description: Raw quotes, as they arrived.
        columns:
          - {name: id, description: Identifies the quote.}
seeds:
  - name: quotes
    description: A few quotes to try things with.
    columns:
      - {name: id, description: ""}
models:
  - name: priced
    latest_version: 2
    description: One row per quote with its price.
    columns:
      - {name: id, description: Identifies the quote.}
      - {name: price, description: Price of the YES share.}
    versions:
      - v: 1
      - v: 2
        columns:
          - include: all
          - {name: fee, description: What the market keeps.}
  - name: plain
    description: One row per quote.
    columns:
      - {name: id, description: TODO}
      - {name: PRICE, description: Price of the YES share.}
      - {name: volume, description: "   "}
      - {name: market_id, description: The market id.}
      - {name: depth, description: ""}
      - {name: gone, description: A column that was dropped last year.}
  - name: renamed
    config: {alias: another_name}
    columns:
      - {name: id, description: Identifies the quote.}
  - name: passing
    config: {materialized: ephemeral}
    columns:
      - {name: id, description: Identifies the quote.}
  - name: switched_off
    config: {enabled: false}
    columns:
      - {name: id, description: Identifies the quote.}
"""
FILES = {
    "dbt_project.yml": PROJECT,
    "packages.yml": "packages: [{local: other}]\n",
    "other/dbt_project.yml": 'name: other\nversion: "1.0.0"\nprofile: mbp\n',
    "other/models/theirs.sql": "select 1 as id",
    "models/properties.yml": PROPERTIES,
    "models/priced_v1.sql": "select 1 as id, 0.5 as price",
    "models/priced_v2.sql": "select 1 as id, 0.5 as price, 0.01 as fee",
    "models/plain.sql": (
        "select id, price, 1 as volume, 'm' as market_id, 2 as depth, 3 as undocumented"
        " from {{ ref('quotes') }}"
    ),
    "models/renamed.sql": "select id from {{ ref('passing') }}",
    "models/passing.sql": "select 1 as id",
    "models/switched_off.sql": "select 1 as id",
    "seeds/quotes.csv": "id,price\n1,0.5\n",
}


class Reason(Enum):
    """Why the two may see a column differently. Nothing else may."""

    VERSIONS = "the versions of a model share one name there, and only one of them counts"
    SOURCE_AND_SEED = "a source and a seed of one relation share one name there"
    BLANK = "a blank description counts there"
    PLACEHOLDER = "a placeholder counts there"
    NAME_REPEATED = "repeating the column's name counts there"
    OTHER_PACKAGE = "the relations of installed packages count there"
    NOT_THERE = "a documented column that does not exist is not told there"


@dataclass
class Comparison:
    """What both said; `agreed` counts the columns about which they say the same."""

    agreed: int = 0
    reasons: dict[tuple[str, str], Reason] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)


class Artifacts:
    """One pair of artifacts, seen as dbt-coverage sees it."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        catalog: Mapping[str, Any],
        theirs: Mapping[str, Mapping[str, bool]],
    ) -> None:
        self.nodes = {**manifest["nodes"], **manifest["sources"]}
        self.package = manifest["metadata"]["project_name"]
        self.theirs = theirs
        self.survivors: dict[str, str] = {}  # name there -> the relation that they looked at
        self.shadowed: dict[str, str] = {}  # relation they did not look at -> its name there
        for unique_id, relation in sorted({**catalog["nodes"], **catalog["sources"]}.items()):
            # Their rule: any text but the empty one. It tells several relations of one name apart.
            columns = [name.lower() for name in relation["columns"]]
            naive = {column: self.text(unique_id, column) != "" for column in columns}
            node = self.nodes[unique_id]
            name = f"{node['schema']}.{node['name']}".lower()
            if name not in self.survivors and theirs.get(name) == naive:
                self.survivors[name] = unique_id
            else:
                self.shadowed[unique_id] = name
        self.looked_at = {unique_id: name for name, unique_id in self.survivors.items()}

    def text(self, unique_id: str, column: str) -> str:
        """The description of a column, empty when it has none."""
        columns = {name.lower(): one for name, one in self.nodes[unique_id]["columns"].items()}
        return str(columns.get(column, {}).get("description", ""))

    def agree(self, item: Item) -> bool:
        """Whether both say the same about an existing column."""
        name = self.looked_at.get(item.unique_id)
        return (
            name is not None
            and item.state in (DESCRIBED, MISSING)
            and self.theirs[name].get(item.column) is (item.state == DESCRIBED)
        )

    def reason(self, item: Item) -> Reason | None:
        """Why they do not agree about a column; None when nobody knows."""
        if item.state == NOT_THERE:
            return Reason.NOT_THERE
        if item.unique_id in self.shadowed:
            survivor = self.survivors.get(self.shadowed[item.unique_id], "")
            return reason_of_namesakes(item.unique_id, survivor)
        if item.state == MISSING:
            return reason_of_text(item, self.text(item.unique_id, item.column))
        return None

    def of_other_packages(self) -> list[str]:
        """Relations they looked at that another package declares."""
        return [one for one in self.looked_at if self.nodes[one]["package_name"] != self.package]


def compare(
    manifest: Mapping[str, Any],
    catalog: Mapping[str, Any],
    theirs: Mapping[str, Mapping[str, bool]],
) -> Comparison:
    """Both reports column by column; `theirs` is relation -> column -> documented."""
    artifacts, result = Artifacts(manifest, catalog, theirs), Comparison()
    ours = set()
    for item in measure_coverage(manifest, catalog).items:
        ours.add(item.unique_id)
        if not item.column and item.state != NOT_BUILT:
            continue  # they do not judge relations
        if artifacts.agree(item):
            result.agreed += 1
        elif reason := artifacts.reason(item):
            result.reasons[item.unique_id, item.column] = reason
        else:
            result.unexplained.append(f"{item}: {artifacts.text(item.unique_id, item.column)!r}")
    for unique_id in artifacts.of_other_packages():
        for column in theirs[artifacts.looked_at[unique_id]]:
            result.reasons[unique_id, column] = Reason.OTHER_PACKAGE
        ours.add(unique_id)
    known = {artifacts.looked_at.get(unique_id) for unique_id in ours}
    result.unexplained += [f"only there: {name}" for name in sorted(theirs.keys() - known)]
    return result


def reason_of_namesakes(shadowed: str, survivor: str) -> Reason | None:
    """Why they did not look at `shadowed` but at `survivor`, which has the same name there."""
    kinds = {one.partition(".")[0] for one in (shadowed, survivor)}
    if kinds == {"source", "seed"}:
        return Reason.SOURCE_AND_SEED
    without_version = [re.sub(r"\.v\d+$", "", one) for one in (shadowed, survivor)]
    same_model = kinds == {"model"} and without_version[0] == without_version[1]
    return Reason.VERSIONS if same_model else None


def reason_of_text(item: Item, text: str) -> Reason | None:
    """Why a text counts there and not here. Told apart without the code under test."""
    if text == "":
        return None  # they find it missing too
    if not text.strip():
        return Reason.BLANK
    if text.strip().lower() in {"todo", "tbd", "n/a"}:
        return Reason.PLACEHOLDER
    words = set(re.findall(r"\w+", text.lower())) - {"the", "a", "of"}
    return Reason.NAME_REPEATED if words <= set(item.column.split("_")) else None


def run_theirs(artifacts: Path, report: Path) -> dict[str, dict[str, bool]]:
    """Relation -> column -> documented, as dbt-coverage reports it."""
    finished = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "dbt-coverage"), "compute", "doc"),
            *("--run-artifacts-dir", str(artifacts), "--cov-report", str(report)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return {
        table["name"]: {column["name"]: column["covered"] > 0 for column in table["columns"]}
        for table in json.loads(report.read_text())["tables"]
    }


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        json.loads((folder / "manifest.json").read_text()),
        json.loads((folder / "catalog.json").read_text()),
    )


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artifacts of a small project that has every case in which the two are known to differ."""
    folder = tmp_path_factory.mktemp("scratch")
    profiles = PROFILES % (folder / "scratch.duckdb").as_posix()
    for name, text in {**FILES, "profiles.yml": profiles}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("DBT_PROFILES_DIR", "DBT_TARGET_PATH", "DBT_LOG_PATH", "DBT_TARGET"):
            patch.delenv(name, raising=False)
        for arguments in (["deps"], ["build"], ["docs", "generate"]):
            outcome = run_dbt(folder, arguments, quiet=True)
            assert outcome.success, (arguments, outcome.problem)
    return folder / "target"


@pytest.mark.slow
def test_every_difference_on_the_scratch_project_has_a_reason(
    scratch: Path, tmp_path: Path
) -> None:
    found = compare(*read(scratch), run_theirs(scratch, tmp_path / "theirs.json"))
    assert found.unexplained == []
    plain = {
        column: reason
        for (unique_id, column), reason in found.reasons.items()
        if unique_id == "model.scratch.plain"
    }
    assert plain == {
        "id": Reason.PLACEHOLDER,
        "volume": Reason.BLANK,
        "market_id": Reason.NAME_REPEATED,
        "gone": Reason.NOT_THERE,
    }
    hidden = {key: reason for key, reason in found.reasons.items() if reason is Reason.VERSIONS}
    assert len({unique_id for unique_id, _ in hidden}) == 1
    counted = Counter(found.reasons.values())
    assert counted[Reason.SOURCE_AND_SEED] == 2
    assert counted[Reason.OTHER_PACKAGE] == 1
    assert counted.keys() == set(Reason)
    # plain: price, depth, undocumented; renamed: id; quotes once: id, price; priced: the other one.
    assert found.agreed == 6 + 5 - len(hidden)


@pytest.mark.slow
def test_our_numbers_on_the_scratch_project(scratch: Path) -> None:
    count = measure_coverage(*read(scratch)).count
    # Described: source and seed and two versions and plain (5), source.id, v1 two, v2 three,
    # plain.price, renamed.id. Missing: renamed; source.price, seed two, five columns of plain.
    assert (count.described, count.missing, count.not_there) == (13, 9, 1)


@pytest.mark.slow
def test_a_difference_without_a_reason_is_noticed(scratch: Path, tmp_path: Path) -> None:
    theirs = run_theirs(scratch, tmp_path / "theirs.json")
    theirs["main.plain"]["price"] = False
    assert any("plain" in line for line in compare(*read(scratch), theirs).unexplained)
    manifest, catalog = read(scratch)
    manifest["nodes"]["model.scratch.renamed"]["columns"]["id"]["description"] = "TODO later."
    theirs = run_theirs(scratch, tmp_path / "theirs.json")
    assert any("renamed" in line for line in compare(manifest, catalog, theirs).unexplained)


@pytest.mark.slow
def test_every_difference_on_this_project_has_a_reason(built: Built, tmp_path: Path) -> None:
    shutil.copytree(built.artifacts("duckdb"), tmp_path / "target")
    generate = ["docs", "generate", "--no-compile"]
    settings = built.settings["duckdb"]
    demand(run_dbt(built.root, generate, artifacts=tmp_path, changes=settings, quiet=True))
    manifest, catalog = read(tmp_path / "target")
    report = measure_coverage(manifest, catalog)
    found = compare(manifest, catalog, run_theirs(tmp_path / "target", tmp_path / "theirs.json"))
    assert found.unexplained == []
    columns = [item for item in report.items if item.column]
    others = sum(reason is Reason.OTHER_PACKAGE for reason in found.reasons.values())
    assert found.agreed > 0
    assert found.agreed + len(found.reasons) - others == len(columns)
