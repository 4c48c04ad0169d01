"""What a dbt manifest says of a model: descriptions, and what its tests demand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mbp.contracts.drafting.draft import DraftColumn
from mbp.core.errors import MbpError
from mbp.core.schema_check import did_you_mean

Node = Mapping[str, Any]
KINDS = ("model", "seed", "snapshot")
INNER = ("stg_", "base_", "int_", "tmp_")
INNER_FOLDERS = {"staging", "intermediate", "base"}


def chosen_nodes(manifest: Mapping[str, Any], names: Sequence[str]) -> list[Node]:
    """The nodes of that name; without names the models for readers: neither ephemeral nor staging.

    Raises:
        MbpError: no such node, or no model at all.
    """
    project = manifest["metadata"]["project_name"]
    nodes = {
        str(node["name"]): node
        for node in manifest["nodes"].values()
        if node["resource_type"] in KINDS
        and node["package_name"] == project
        and (node.get("config") or {}).get("materialized") != "ephemeral"
    }
    for name in names:
        if name not in nodes:
            fix = did_you_mean(name, nodes)
            raise MbpError(f"the project builds no model, seed or snapshot {name!r}", fix=fix)
    models = [node for node in nodes.values() if node["resource_type"] == "model"]
    public = [node for node in models if not _inner(node)]
    chosen = [nodes[name] for name in names] or public or models
    if not chosen:
        raise MbpError("the project has no model: nothing to draft", fix="write a model first")
    return sorted(chosen, key=lambda node: str(node["name"]))


def _inner(node: Node) -> bool:
    folders = set(node.get("fqn") or ()) & INNER_FOLDERS
    return str(node["name"]).startswith(INNER) or bool(folders)


def with_facts(
    columns: Sequence[DraftColumn], node: Node, manifest: Mapping[str, Any], datasets: Iterable[str]
) -> list[DraftColumn]:
    """The columns with descriptions, keys and lists of the manifest, where it has them.

    Args:
        datasets: those that have a contract; a reference to another one cannot be held.
    """
    documented = {name.lower(): text for name, text in _documented(node)}
    known = set(datasets)
    results = []
    for column in columns:
        tests = _tested(column.name, node, manifest)
        values = next((test["values"] for test in tests if test.get("values")), ())
        target = next((test["to"] for test in tests if test.get("to")), ("", ""))
        kinds = {test["kind"] for test in tests}
        results.append(
            replace(
                column,
                description=documented.get(column.name.lower(), ""),
                required=column.required or "not_null" in kinds,
                values=values,
                reference=f"{target[0]}.{target[1]}" if target[0] in known else None,
                unique="unique" in kinds,
            )
        )
    return with_key(results, columns, str(node["name"]))


def with_key(
    results: list[DraftColumn], live: Sequence[DraftColumn], name: str
) -> list[DraftColumn]:
    """One column as the key: one that tests hold unique, else one that is so now and is named like a key."""
    tested = [column.name for column in results if column.unique and column.required]
    singular = name.removesuffix("s")
    likely = [f"{singular}_id", f"{name}_id", "id", f"{name}_key", f"{singular}_key"]
    now = [column.name for column in live if column.unique and column.required]
    named = [column for column in likely if column in now]
    named += [column for column in now if column.endswith(("_id", "_key", "_sk", "_pk", "id"))]
    key = next(iter([*(column for column in likely if column in tested), *tested, *named]), None)
    return [
        replace(column, key=True, unique=True, required=True) if column.name == key else column
        for column in results
    ]


def _documented(node: Node) -> Iterator[tuple[str, str]]:
    for name, column in (node.get("columns") or {}).items():
        yield str(name), plain(str(column.get("description") or ""))


def plain(text: str) -> str:
    """A description as a contract may hold it: without templates and markup."""
    return " ".join(re.sub(r"\{[{%#].*?[}%#]\}|<[^<>]*>|[{}]{2}", " ", text, flags=re.S).split())


def _tested(column: str, node: Node, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the generic tests of the column demand."""
    tests: list[dict[str, Any]] = []
    for test in manifest["nodes"].values():
        metadata = test.get("test_metadata") or {}
        if test.get("attached_node") != node["unique_id"]:
            continue
        arguments = metadata.get("kwargs") or {}
        named = str(test.get("column_name") or arguments.get("column_name") or "")
        if named.lower() != column.lower() or (test.get("config") or {}).get("where"):
            continue
        tests.append(demanded_by(str(metadata.get("name")), arguments))
    return tests


def demanded_by(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a generic test of dbt demands of its column: its kind, a closed list, or where a value must be found."""
    entry: dict[str, Any] = {"kind": name}
    if name == "accepted_values":
        entry["values"] = arguments.get("values") or ()
    elif name == "relationships":
        to = re.search(r"ref\(\s*['\"](\w+)['\"]\s*\)", str(arguments.get("to")))
        entry["to"] = (to[1] if to else "", str(arguments.get("field")))
    return entry
