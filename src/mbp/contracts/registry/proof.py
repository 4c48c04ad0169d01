"""Proof that a tightened contract breaks no row there is: a query, its target, and zero violations.

A tightening breaks BACKWARD only in theory while no row of the history breaks the new contract. The proof
is stored beside the version; it holds for one change, by its fingerprint, and for one query. A quality rule
is proven by the query of its test, and the proof holds while entry and SQL of the rule are the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mbp.contracts.compatibility.change_model import Change, Compatibility, SchemaNode
from mbp.contracts.compatibility.diff import fingerprint
from mbp.contracts.compatibility.values import limits
from mbp.contracts.contract_loading import generic_test
from mbp.contracts.published_versions import FOLDER
from mbp.contracts.registry.version_policy import EXCEPTIONS
from mbp.core.canonical_json import canonical, digest
from mbp.core.errors import MbpError
from mbp.core.files import atomic_path
from mbp.core.paths import shown
from mbp.warehouse import Warehouse, quote_identifier

PROOFS = "proofs"
SCHEMA = "marts"


def provable(change: Change) -> bool:
    """Only old rows could break it, so checking them decides."""
    return change.backward is Compatibility.BREAK and change.forward is Compatibility.OK


def rule_of(change: Change, table: SchemaNode) -> Mapping[str, Any] | None:
    """The entry of the quality rule that the change is about; None where it is about something else."""
    place, separator, label = change.path.partition(".quality.")
    holder = table if place == table.path else table.child(place.removeprefix(f"{table.path}."))
    entries = holder.raw.get("quality") if separator and holder is not None else None
    return next(
        (entry for entry in entries or () if str(entry.get("id")) == label.partition(".")[0]), None
    )


def violation_query(
    change: Change, table: SchemaNode, engine: str, rule_queries: Mapping[str, str] | None = None
) -> str | None:
    """Counts rows and violations of the change in the dataset; None when no query can decide it.

    Args:
        table: of the new contract.
        engine: duckdb or postgres.
        rule_queries: rule id -> the compiled query of its failing rows.
    """
    failing = broken_rows(change, table, engine, rule_queries)
    if failing is None:
        return None
    violations = f"(select count(*) from (\n{failing}\n) as failing)"
    return f"select count(*) as rows_checked, {violations} as violations from {_relation(table)}"


def broken_rows(
    change: Change, table: SchemaNode, engine: str, rule_queries: Mapping[str, str] | None = None
) -> str | None:
    """Selects the rows of the dataset that the change makes invalid; arguments as for `violation_query`."""
    rule = rule_of(change, table)
    if rule is not None:
        return (rule_queries or {}).get(str(rule["id"]))
    names = change.path.removeprefix(f"{table.path}.").split(".")
    column = table.child(names[0])
    if column is None or (len(names) > 1 and table.child(".".join(names[:2]))):
        return None
    broken = _predicate(change.code, column, _relation(table), engine)
    return None if broken is None else f"select * from {_relation(table)} where {broken}"


def _relation(table: SchemaNode) -> str:
    return f"{SCHEMA}.{quote_identifier(table.name)}"


def _predicate(code: str, node: SchemaNode, relation: str, engine: str) -> str | None:
    name = quote_identifier(node.name)
    facets, options = node.facets, node.facets.options
    if code in ("required_added", "column_added_required"):
        return f"{name} is null"
    if code == "unique_added":
        return f"{name} in (select {name} from {relation} group by {name} having count(*) > 1)"
    if code.startswith("minimum_") and not node.kind.temporal and facets.low is not None:
        return f"{name} {'<=' if facets.low_open else '<'} {facets.low}"
    if code.startswith("maximum_") and not node.kind.temporal and facets.high is not None:
        return f"{name} {'>=' if facets.high_open else '>'} {facets.high}"
    if code in ("enum_added", "enum_value_removed") and facets.values:
        return f"{name} not in ({', '.join(map(_literal, facets.values))})"
    if code.startswith("pattern_") and "pattern" in options:
        pattern = _literal(options["pattern"])
        if engine == "duckdb":
            return f"not regexp_matches({name}, {pattern})"
        return f"{name} !~ {pattern}"
    if code == "max_length_tightened":
        return f"length({name}) > {int(options['maxLength'])}"
    if code == "min_length_tightened":
        return f"length({name}) < {int(options['minLength'])}"
    if code == "type_length_decreased" and node.kind.length is not None:
        return f"length({name}) > {node.kind.length}"
    low, high = limits(node.kind)
    if code in ("precision_decreased", "physical_type_narrowed") and low is not None:
        return f"{name} < {low} or {name} > {high}"
    return None


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower() if isinstance(value, bool) else str(value)


def prove(
    root: Path,
    dataset: str,
    change: Change,
    table: SchemaNode,
    warehouse: Warehouse,
    rule_queries: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Measures the change in the warehouse and stores the result, a proof when nothing violates it.

    Args:
        rule_queries: rule id -> the compiled query of its failing rows; needed for a change of a rule.

    Raises:
        MbpError: no query decides it, the table has no rows or not the column, or rows violate it.
    """
    query = violation_query(change, table, warehouse.engine, rule_queries)
    place = f"{dataset}: {change.code} at {change.path}"
    rule = rule_of(change, table)
    agree = f"undo it, or agree on an exception for {fingerprint(change)} in {EXCEPTIONS}"
    if query is None and rule is not None:
        raise MbpError(f"{place}: no test carries the rule", fix="run `mbp contracts render`")
    if query is None or not provable(change):
        raise MbpError(f"{place} cannot be proven by a query over rows", fix=agree)
    try:
        _, rows = warehouse.query(query)
    except Exception as error:
        what = f"{place}: the warehouse cannot answer: {str(error).splitlines()[0]}"
        fix = f"build it with the new contract first: `dbt build --select {dataset}`"
        raise MbpError(what, fix=fix) from error
    checked, violations = int(rows[0][0]), int(rows[0][1] or 0)
    if checked == 0:
        fix = "prove it where the history is"
        raise MbpError(f"{place}: the table has no rows, so they prove nothing", fix=fix)
    if violations:
        fix = f"fix the rows, {agree}"
        raise MbpError(f"{place}: {violations:,} of {checked:,} rows would be invalid", fix=fix)
    document: dict[str, Any] = {
        "fingerprint": fingerprint(change),
        "dataset": dataset,
        "code": change.code,
        "path": change.path,
        "target": warehouse.engine,
        "query": query,
        "rows_checked": checked,
        "violations": violations,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if rule is not None:
        document["rule_sha256"] = _rule_digest(root, rule)
    path = proof_path(root, dataset, document["fingerprint"])
    with atomic_path(path) as temporary:
        temporary.write_bytes(canonical({**document, "sha256": digest(document)}) + b"\n")
    return document


def proof_path(root: Path, dataset: str, print_: str) -> Path:
    """The path of the proof of the change."""
    return root / FOLDER / dataset / PROOFS / f"{print_}.json"


def proof_of(
    root: Path, dataset: str, change: Change, table: SchemaNode
) -> Mapping[str, Any] | None:
    """The valid proof of the change; None when there is none.

    Raises:
        MbpError: a proof that was changed, or that proves something else.
    """
    path = proof_path(root, dataset, fingerprint(change))
    if not path.is_file():
        return None
    place, fix = shown(path, root), f"measure it again: `mbp registry prove {dataset}`"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        stated = document.pop("sha256")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise MbpError("is not a proof", path=place, fix=fix) from error
    if digest(document, place) != stated:
        raise MbpError("was changed after it was measured", path=place, fix=fix)
    rule = rule_of(change, table)
    if rule is not None:
        same = document.get("rule_sha256") == _rule_digest(root, rule)
    else:
        same = document["query"] == violation_query(change, table, str(document["target"]))
    if not same:
        raise MbpError("proves another query than this change asks", path=place, fix=fix)
    if document["violations"] != 0 or int(document["rows_checked"]) == 0:
        raise MbpError("proves nothing", path=place, fix=fix)
    results: Mapping[str, Any] = document
    return results


def _rule_digest(root: Path, rule: Mapping[str, Any]) -> str:
    """Of the rule's entry and of the file of its test."""
    implementation = rule.get("implementation")
    name = implementation.get("test") if isinstance(implementation, Mapping) else None
    file = generic_test(root, name) if name else None
    text = file.read_text(encoding="utf-8") if file else ""
    return digest({"rule": rule, "sql": text})
