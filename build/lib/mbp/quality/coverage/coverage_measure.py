"""What is described, what is missing, and what is described but not there.

The denominator is the catalog: the relations and columns that exist, by dbt's unique id, over models,
sources, seeds and snapshots. A source and the seed that fills it are two entries, because readers
meet both. Ephemeral models are no relations and do not count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mbp.core.errors import MbpError

RESOURCE_TYPES = ("model", "seed", "snapshot", "source")
DESCRIBED = "described"
MISSING = "missing"
NOT_THERE = "documented but not there"
NOT_BUILT = "not in the warehouse"
# Whole descriptions that are placeholders; compared without spaces and punctuation, so
# that `n/a`, `N.A.` and `to-do` are caught too.
PLACEHOLDERS = frozenset(
    re.findall(
        r"\w+",
        """
        todo tbd tba fixme wip x xx xxx na none null nil unknown undocumented missing pending empty
        placeholder comingsoon nodescription nodocs nodocumentation adddescription
        descriptionhere descriptionmissing missingdescription needsdescription
        tobedefined tobedone tobedocumented tobeadded
        """,
    )
)
OPENINGS = frozenset({"todo", "tbd", "fixme", "lorem"})
# Words that a description may put around a name without saying more than the name.
FILLER = frozenset(
    re.findall(
        r"\w+",
        """
        the a an of for this is its
        column field table model view seed source relation description value name
        """,
    )
)
MANIFEST_KEYS = ("resource_type", "name", "package_name", "original_file_path")
CATALOG_KEYS = ("columns",)
FULL_PERCENT = 100.0


@dataclass(frozen=True, order=True)
class Item:
    """One thing that can be described.

    Attributes:
        unique_id: dbt's id of the relation.
        column: column name, empty for the relation itself.
        state: described, missing, documented but not there, or not in the warehouse.
        folder: where the relation is declared.
        dataset: name of the public dataset, with its version when the model has versions; empty for
            other relations.
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
        return FULL_PERCENT * self.described / self.total if self.total else 0.0

    @property
    def shown_percent(self) -> str:
        """The share for people, cut to one decimal: 94.96 is not yet 95.0."""
        return f"{1000 * self.described // self.total / 10 if self.total else 0.0:.1f}"


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


def measure_coverage(manifest: Mapping[str, Any], catalog: Mapping[str, Any]) -> CoverageReport:
    """Compares what is documented with what exists.

    Args:
        manifest: dbt's manifest.json; describes what should be there.
        catalog: dbt's catalog.json; what `dbt docs generate` found in the warehouse.

    Raises:
        MbpError: no relation to check, one of the two is not what dbt writes, the catalog is
            incomplete or knows relations that the manifest does not know.
    """
    declared = _entries(manifest, "manifest", MANIFEST_KEYS)
    there = _entries(catalog, "catalog", CATALOG_KEYS)
    if catalog.get("errors"):
        raise MbpError(
            f"catalog.json is incomplete: {' '.join(str(catalog['errors']).split())}",
            fix="make `dbt docs generate` pass, then measure again",
        )
    package = manifest["metadata"].get("project_name")
    strangers = sorted(
        unique_id
        for unique_id in there.keys() - declared.keys()
        if unique_id.split(".")[1:2] == [package]
    )
    if strangers:
        raise MbpError(
            f"catalog.json has {strangers[0]}, manifest.json has not: they are of different runs",
            fix="run `dbt docs generate`, then measure again",
        )
    nodes = {
        unique_id: node
        for unique_id, node in declared.items()
        if node["resource_type"] in RESOURCE_TYPES
        and node["package_name"] == package
        and (node.get("config") or {}).get("materialized") != "ephemeral"
    }
    if not nodes.keys() & there.keys():
        raise MbpError(
            "no relation to check: nothing was checked",
            fix="run `mbp build`, then measure again",
        )
    items = [item for unique_id, node in nodes.items() for item in _items(unique_id, node, there)]
    return CoverageReport(tuple(sorted(items)))


def says_something(description: str | None, name: str) -> bool:
    """Whether a description says more than the name.

    Blank texts, placeholders and texts made of the name's own words (in any order, case, plural or
    spelling, with or without filler) do not.
    """
    words = _words(description or "")
    if not words or words[0] in OPENINGS or "".join(words) in PLACEHOLDERS:
        return False
    meaning = [word for word in words if word not in FILLER]
    named = _words(name)
    if "".join(meaning) in ("".join(named), "".join(word for word in named if word not in FILLER)):
        return False
    known = {*named, *(f"{word}s" for word in named), *(word.removesuffix("s") for word in named)}
    return not known.issuperset(meaning)


def _words(text: str) -> list[str]:
    """Words in lower case; composed and decomposed, narrow and wide letters are the same."""
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


def _entries(
    document: Mapping[str, Any], artifact: str, keys: Iterable[str]
) -> dict[str, Mapping[str, Any]]:
    """Nodes and sources of one artifact by unique id.

    Raises:
        MbpError: another artifact, or not the form that dbt gives it.
    """
    version = str((document.get("metadata") or {}).get("dbt_schema_version"))
    entries: dict[str, Mapping[str, Any]] = {}
    sections = [document.get(section) for section in ("nodes", "sources")]
    sound = f"/{artifact}/" in version and all(isinstance(part, Mapping) for part in sections)
    if sound:
        entries = {
            unique_id: entry for part in sections if part for unique_id, entry in part.items()
        }
        sound = all(
            isinstance(entry, Mapping)
            and all(key in entry for key in keys)
            and isinstance(entry.get("columns") or {}, Mapping)
            for entry in entries.values()
        )
    if not sound:
        raise MbpError(
            f"{artifact}.json is not the {artifact} of dbt (schema {version})",
            fix="run `dbt docs generate`, then measure again",
        )
    return entries


def _items(unique_id: str, node: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[Item]:
    folder = PurePosixPath(node["original_file_path"].replace("\\", "/")).parent.as_posix()
    public = node.get("access") == "public" or (node.get("config") or {}).get("access") == "public"
    version = node.get("version")
    dataset = f"{node['name']}{'' if version is None else f'.v{version}'}" if public else ""

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


def _count(items: Iterable[Item]) -> Count:
    states = [item.state for item in items]
    return Count(states.count(DESCRIBED), states.count(MISSING), states.count(NOT_THERE))
