"""The entity-relationship diagram of the contracts as SVG: the same contracts give the same bytes.

Crow's foot notation (Everest 1976): the fork is at the side that has many, the bar at the side that has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mbp.contracts import Contract
from mbp.core.templates import templates

WIDTH, ROW, HEAD, GAP_ACROSS, GAP_DOWN, MARGIN = 310, 22, 30, 150, 34, 12


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
