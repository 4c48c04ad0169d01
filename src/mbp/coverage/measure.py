"""What is described, what is missing, and what is described but not there.

The denominator is the catalog: the relations and columns that exist, by dbt's unique id, over models,
sources, seeds and snapshots. A source and the seed that fills it are two entries, because readers
meet both. Ephemeral models are no relations and do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mbp.errors import MbpError

RESOURCE_TYPES = ("model", "seed", "snapshot", "source")
DESCRIBED = "described"
MISSING = "missing"
NOT_THERE = "documented but not there"
NOT_BUILT = "not in the warehouse"
PLACEHOLDERS = {
    *(
        "",
        "todo",
        "tbd",
        "tba",
        "fixme",
        "xxx",
        "wip",
        "na",
        "none",
        "null",
        "unknown",
        "placeholder",
    ),
    *("description", "no description", "to do", "to be defined", "to be documented", "lorem ipsum"),
}
OPENINGS = {"todo", "tbd", "fixme", "lorem"}
FILLER = {"the", "a", "an", "of", "column", "field", "table", "this", "is"}


@dataclass(frozen=True, order=True)
class Item:
    """One thing that can be described.

    Attributes:
        unique_id: dbt's id of the relation.
        column: column name, empty for the relation itself.
        state: described, missing, documented but not there, or not in the warehouse.
        folder: where the relation is declared.
        dataset: name of the public dataset, empty for other relations.
    """

    unique_id: str
    column: str
    state: str
    folder: str
    dataset: str


@dataclass(frozen=True)
class Count:
    """Described, missing, and documented but not there, over some items."""

    described: int
    missing: int
    not_there: int

    @property
    def total(self) -> int:
        """What exists: described and missing."""
        return self.described + self.missing

    @property
    def percent(self) -> float:
        """Share of what exists that is described; 0 when nothing exists."""
        return 100.0 * self.described / self.total if self.total else 0.0


@dataclass(frozen=True)
class CoverageReport:
    """All items of a project, in a stable order."""

    items: tuple[Item, ...]

    @property
    def count(self) -> Count:
        """Over everything."""
        return _count(self.items)

    def by(self, attribute: str) -> dict[str, Count]:
        """Counts per `folder` or per `dataset` (public datasets only)."""
        groups = sorted({str(getattr(item, attribute)) for item in self.items} - {""})
        return {
            group: _count(item for item in self.items if getattr(item, attribute) == group)
            for group in groups
        }

    def of(self, state: str) -> list[Item]:
        """The items in one state."""
        return [item for item in self.items if item.state == state]


def measure(manifest: Mapping[str, Any], catalog: Mapping[str, Any]) -> CoverageReport:
    """Compares what is documented with what exists.

    Args:
        manifest: dbt's manifest.json; describes what should be there.
        catalog: dbt's catalog.json; what `dbt docs generate` found in the warehouse.

    Raises:
        MbpError: no relation to look at, or the catalog is empty.
    """
    package = manifest["metadata"].get("project_name")
    nodes = {
        unique_id: node
        for unique_id, node in {**manifest["nodes"], **manifest["sources"]}.items()
        if node["resource_type"] in RESOURCE_TYPES
        and node.get("package_name") == package
        and (node.get("config") or {}).get("materialized") != "ephemeral"
    }
    there = {**catalog["nodes"], **catalog["sources"]}
    if not nodes or not there:
        raise MbpError(
            "no relation to look at: nothing was checked",
            cure="run `mbp build`, then measure again",
        )
    items = [item for unique_id, node in nodes.items() for item in _items(unique_id, node, there)]
    return CoverageReport(tuple(sorted(items)))


def says_something(description: str | None, name: str) -> bool:
    """Whether a description tells a reader more than the name does."""
    words, named = _words(description or ""), _words(name)
    if " ".join(words) in PLACEHOLDERS or "".join(words) in PLACEHOLDERS:
        return False
    if words[0] in OPENINGS:
        return False
    meaning = [word for word in words if word not in FILLER]
    return meaning not in ([], [word for word in named if word not in FILLER])


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _items(unique_id: str, node: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[Item]:
    folder = PurePosixPath(node["original_file_path"]).parent.as_posix()
    public = node.get("access") == "public" or (node.get("config") or {}).get("access") == "public"
    dataset = str(node["name"]) if public else ""

    def item(column: str, state: str) -> Item:
        return Item(unique_id, column, state, folder, dataset)

    if unique_id not in there:
        yield item("", NOT_BUILT)
        return
    described = says_something(node.get("description"), str(node["name"]))
    yield item("", DESCRIBED if described else MISSING)
    documented = {name.lower(): column for name, column in (node.get("columns") or {}).items()}
    existing = {name.lower() for name in there[unique_id]["columns"]}
    for name in existing:
        text = documented.get(name, {}).get("description")
        yield item(name, DESCRIBED if says_something(text, name) else MISSING)
    for name in documented.keys() - existing:
        yield item(name, NOT_THERE)


def _count(items: Any) -> Count:
    states = [item.state for item in items]
    return Count(states.count(DESCRIBED), states.count(MISSING), states.count(NOT_THERE))
