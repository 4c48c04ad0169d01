"""The entity-relationship diagram of the contracts as SVG: the same contracts give the same bytes.

Crow's foot notation (Everest 1976): the fork is at the side that has many, the bar at the side that has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import escape

from mbp.contracts import Column, Contract

WIDTH, ROW, HEAD, GAP_ACROSS, GAP_DOWN, MARGIN = 310, 22, 30, 150, 34, 12
TITLE = "Datasets and how they refer to each other"


@dataclass(frozen=True)
class Box:
    """The place of a dataset."""

    contract: Contract
    x: int
    y: int

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
    def told(self) -> str:
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
    width = max(box.x for box in boxes.values()) + WIDTH + MARGIN
    height = max(box.y + box.height for box in boxes.values()) + MARGIN
    message = (
        "; ".join(relationship.told for relationship in links) or "no dataset refers to another"
    )
    parts = [
        f'<svg class="diagram" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" role="img" aria-labelledby="diagram-title diagram-told">',
        f'<title id="diagram-title">{escape(TITLE)}</title>',
        f'<desc id="diagram-told">{escape(message)}</desc>',
        *(line for relationship in links for line in _edge(relationship, boxes)),
        *(line for box in boxes.values() for line in _drawn(box)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _placed(contracts: Sequence[Contract], found: Sequence[Relationship]) -> dict[str, Box]:
    """Left to right by how many references lie between a dataset and one that refers to nothing."""
    by_name = {
        contract.dataset: contract
        for contract in sorted(contracts, key=lambda contract: contract.dataset)
    }
    depth = dict.fromkeys(by_name, 0)
    for _ in by_name:  # as often as there are datasets: a circle of references ends too
        for relationship in found:
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


def _drawn(box: Box) -> Iterator[str]:
    x, y = box.x, box.y
    yield (
        f'<rect class="diagram-box" x="{x}" y="{y}" width="{WIDTH}" height="{box.height}" rx="6"'
        ' fill="#fff" stroke="#59616e"/>'
    )
    yield f'<path class="diagram-line" d="M{x} {y + HEAD}h{WIDTH}" stroke="#59616e" fill="none"/>'
    yield _text(x + 12, y + 20, box.contract.dataset, "diagram-head", "700")
    for column in box.contract.columns:
        down = box.row(column.name) + 5
        yield _text(x + 12, down, _mark(column), "diagram-key", "700")
        yield _text(
            x + 44, down, column.name, "diagram-text", "700" if column.primary_key else "400"
        )
        kind = column.physical_type + ("" if column.required else ", may be null")
        yield _text(x + WIDTH - 12, down, kind, "diagram-type", "400", "end")


def _mark(column: Column) -> str:
    return "PK" if column.primary_key else "FK" if column.reference else ""


def _edge(relationship: Relationship, boxes: Mapping[str, Box]) -> Iterator[str]:
    start, end = boxes[relationship.to_dataset], boxes[relationship.dataset]
    x1, y1 = start.x + WIDTH, start.row(relationship.to_column)
    x2, y2 = end.x, end.row(relationship.column)
    middle = (x1 + x2) // 2
    yield _line(f"M{x1} {y1}H{middle}V{y2}H{x2}")
    yield _line(f"M{x1 + 10} {y1 - 7}v14")
    if relationship.many:
        yield _line(f"M{x2 - 14} {y2}L{x2} {y2 - 8}M{x2 - 14} {y2}L{x2} {y2 + 8}")
    else:
        yield _line(f"M{x2 - 10} {y2 - 7}v14")
    # Rows need not be there on the side that refers.
    yield f'<circle class="diagram-ring" cx="{x2 - 20}" cy="{y2}" r="5" fill="#fff" stroke="#2f5fb3"/>'


def _line(path: str) -> str:
    return (
        f'<path class="diagram-edge" d="{path}" stroke="#2f5fb3" stroke-width="1.6" fill="none"/>'
    )


def _text(x: int, y: int, told: str, kind: str, weight: str, anchor: str = "start") -> str:
    return (
        f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}"'
        f' font-size="13" font-family="sans-serif" fill="#171c24">{escape(told)}</text>'
    )
