"""The pages of the site that follow from the contracts and the warehouse, as Markdown; their diagram as SVG.

Crow's foot notation (Everest 1976): the fork is at the side that has many, the bar at the side that has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semver import Version

from mbp.contracts import Contract, load_contracts
from mbp.contracts.policy import load_policy
from mbp.contracts.rendering.reference import CLASSES
from mbp.contracts.semantics import load_semantics
from mbp.core.templates import templates
from mbp.core.verdict import RELEASING, Verdict
from mbp.core.wording import code, inline
from mbp.operate.semantic.calibration import reliability_diagram
from mbp.release.report.report_page import charts, instant
from mbp.release.report.report_project import registry
from mbp.release.website.site_facts import RUNS, RecordedState, by_table

FOLDER = "datasets"
BROKEN = (Verdict.FAIL, Verdict.WARN)
WIDTH, ROW, HEAD, GAP_ACROSS, GAP_DOWN, MARGIN = 310, 22, 30, 150, 34, 12


def data_pages(root: Path, live: RecordedState) -> dict[str, str]:
    """Path below docs/ -> Markdown: the same contracts and the same warehouse give the same pages.

    Raises:
        MbpError: a contract, the glossary or the registry cannot be read.
    """
    contracts = load_contracts(root)
    terms = load_semantics(root, contracts, load_policy(root)).terms
    links = relationships(contracts)
    versions = sorted(registry(root), key=lambda facts: Version.parse(facts.version), reverse=True)
    pages = {
        f"{FOLDER}/{contract.dataset}.md": _filled(
            "dataset.md.j2",
            contract=contract,
            classes=CLASSES,
            used_by=[link for link in links if link.to_dataset == contract.dataset],
            live=live,
            versions=[version for version in versions if version.dataset == contract.dataset],
            text=(root / contract.path).read_text(encoding="utf-8"),
        )
        for contract in contracts
    }
    rules = [state for states in live.rules.values() for state in states]
    ordered = sorted(terms, key=lambda term: term.term.lower())
    return {
        **pages,
        "health.md": _filled(
            "health.md.j2",
            live=live,
            runs=RUNS,
            rules=sorted(rules, key=lambda rule: (rule["verdict"] in RELEASING, rule["rule_id"])),
            tables=list(_tables(contracts, rules)),
        ),
        "kpis.md": _filled(
            "kpis.md.j2",
            live=live,
            charts=charts(live.watch) if live.watch else {},
            diagram=reliability_diagram(live.calibration) if live.calibration else "",
        ),
        "diagram.md": _filled("diagram.md.j2", diagram=diagram(contracts), links=links),
        "glossary.md": _filled("glossary.md.j2", terms=ordered),
    }


def _tables(
    contracts: Sequence[Contract], rules: Sequence[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """A line per dataset; a rule counts on each of its engines."""
    for contract in sorted(contracts, key=lambda contract: contract.dataset):
        mine = [rule for rule in rules if rule["dataset"] == contract.dataset]
        hold = sum(rule["verdict"] in RELEASING for rule in mine)
        broken = sum(rule["verdict"] in BROKEN for rule in mine)
        yield {
            "dataset": contract.dataset,
            "rules": len(mine),
            "hold": hold,
            "broken": broken,
            "unmeasured": len(mine) - hold - broken,
            "since": min(filter(None, (rule["failing_since"] for rule in mine)), default=None),
            "last": max(filter(None, (rule["last_run_at"] for rule in mine)), default=None),
        }


def dataset_table(root: Path) -> str:
    """The datasets, for the home page."""
    return _filled("dataset_table.md.j2", contracts=load_contracts(root)).rstrip("\n")


def _filled(template: str, **values: Any) -> str:
    environment = templates("mbp.release.website", extensions=["jinja2.ext.do"])
    environment.filters.update(
        by_table=by_table,
        inline=inline,
        code=code,
        instant=instant,
        one_block=lambda text: text.replace("\n", ""),
    )
    return environment.get_template(template).render(folder=FOLDER, **values)


@dataclass(frozen=True)
class Box:
    """The place of a dataset."""

    contract: Contract
    x: int
    y: int
    width: int = WIDTH
    head: int = HEAD

    @property
    def right(self) -> int:
        """Its right edge."""
        return self.x + self.width

    @property
    def height(self) -> int:
        """With its heading and a row per column."""
        return HEAD + ROW * len(self.contract.columns) + 8

    def row(self, column: str) -> int:
        """The middle of a column's row."""
        names = [column.name for column in self.contract.columns]
        return self.y + HEAD + ROW * names.index(column) + ROW // 2 + 2


@dataclass(frozen=True)
class Relationship:
    """A foreign key: `many` when several rows may carry the same value."""

    dataset: str
    column: str
    to_dataset: str
    to_column: str
    many: bool
    required: bool

    @property
    def sentence(self) -> str:
        """In words, from the side that is referred to."""
        count = "any number of rows" if self.many else "at most one row"
        return f"one row of {self.to_dataset} has {count} of {self.dataset}"


def relationships(contracts: Sequence[Contract]) -> list[Relationship]:
    """Every foreign key of the contracts, by dataset and column."""
    return sorted(
        (
            Relationship(
                contract.dataset,
                column.name,
                column.reference.dataset,
                column.reference.column,
                many=not (column.unique or column.primary_key),
                required=column.required,
            )
            for contract in contracts
            for column in contract.columns
            if column.reference
        ),
        key=lambda relationship: (relationship.dataset, relationship.column),
    )


def diagram(contracts: Sequence[Contract]) -> str:
    """The diagram; colours are classes of the page's style, with values for a viewer that has none."""
    links = relationships(contracts)
    boxes = _placed(contracts, links)
    environment = templates("mbp.release.website")
    return environment.get_template("diagram.svg.j2").render(
        links=links,
        boxes=boxes,
        width=max(box.right for box in boxes.values()) + MARGIN,
        height=max(box.y + box.height for box in boxes.values()) + MARGIN,
    )


def _placed(contracts: Sequence[Contract], relationships: Sequence[Relationship]) -> dict[str, Box]:
    """Left to right by how many references lie between a dataset and one that refers to nothing."""
    by_name = {
        contract.dataset: contract
        for contract in sorted(contracts, key=lambda contract: contract.dataset)
    }
    depth = dict.fromkeys(by_name, 0)
    for _ in by_name:  # as often as there are datasets: a circle of references ends too
        for relationship in relationships:
            if relationship.dataset != relationship.to_dataset:
                depth[relationship.dataset] = min(
                    len(by_name),
                    max(depth[relationship.dataset], depth[relationship.to_dataset] + 1),
                )
    boxes: dict[str, Box] = {}
    below: dict[int, int] = {}
    for level in sorted(set(depth.values())):
        across = sorted(set(depth.values())).index(level)
        for name in (name for name in by_name if depth[name] == level):
            y = below.get(level, MARGIN)
            boxes[name] = Box(by_name[name], MARGIN + across * (WIDTH + GAP_ACROSS), y)
            below[level] = y + boxes[name].height + GAP_DOWN
    return boxes
