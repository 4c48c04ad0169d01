"""Changes of the meaning and protection of columns and tables, and of their descriptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mbp.contracts.compatibility.change_model import (
    BREAK,
    OK,
    UNKNOWN,
    Change,
    SchemaNode,
    entry_change,
)
from mbp.contracts.compatibility.facets import format_changes
from mbp.contracts.compatibility.odcs_tables import LIMITS, custom
from mbp.contracts.compatibility.quality_changes import quality_changes
from mbp.contracts.compatibility.standard import STANDARD, Keys, form

# From open to closed. Numbers are the ranks some organisations use instead of words.
CLASSIFICATIONS = ("public", "internal", "confidential", "restricted", "personal")
TEXTS = ("description", "transformDescription")
DEFINITIONS = ("authoritativeDefinitions", "semanticType", "transformLogic")
# Judged here as keys: the other judged ones decide on rows, keys, types or rules.
AS_KEYS = {*DEFINITIONS, "encryptedName"}
CUSTOM_JUDGED_ELSEWHERE = {"additionalProperties", "default", "physicalTypes", "unit"}
OPTIONS_JUDGED_ELSEWHERE = {
    *LIMITS,
    "required",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
}


def table_documents(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """What is said of a table beside its columns."""
    before = old.raw.get("dataGranularityDescription")
    after = new.raw.get("dataGranularityDescription")
    if _words(before) != _words(after):
        verdict = OK if before is None else BREAK
        yield Change("granularity_changed", old.path, verdict, verdict, before, after)
    yield from _entries(old, new, STANDARD["SchemaObject"])


def column_documents(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """What is said of a column beside its shape and its values."""
    yield from _classification(old, new)
    critical = (bool(old.raw.get("criticalDataElement")), bool(new.raw.get("criticalDataElement")))
    if critical[0] != critical[1]:
        word = "added" if critical[1] else "removed"
        yield Change(f"critical_data_element_{word}", new.path, OK, OK, *critical)
    yield from _unit(old, new)
    yield from _options(old, new)
    yield from _enum_texts(old, new)
    yield from _entries(old, new, STANDARD["SchemaProperty"])


def _entries(old: SchemaNode, new: SchemaNode, keys: Keys) -> Iterator[Change]:
    yield from quality_changes(old, new)
    elsewhere = (keys.judged - AS_KEYS) | {"customProperties"}
    for key in sorted({*old.raw, *new.raw} - elsewhere):
        before, after = old.raw.get(key), new.raw.get(key)
        if form({key: before}) == form({key: after}):
            continue
        path = f"{new.path}.{key}"
        if key in TEXTS:
            yield Change("description_changed", path, OK, OK, before, after)
        elif key in DEFINITIONS:
            verdict = OK if before is None else UNKNOWN
            yield Change("definition_changed", path, verdict, verdict, before, after)
        else:
            yield entry_change(path, before, after, known=key in keys.documentation)
    yield from custom_changes(old.raw, new.raw, new.path)


def custom_changes(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Change]:
    """Changes of the customProperties: ours are judged, those of others are documentation."""
    before, after = _custom(old), _custom(new)
    for name in sorted({*before, *after}):
        first, other = before.get(name), after.get(name)
        if name in CUSTOM_JUDGED_ELSEWHERE or form(first) == form(other):
            continue
        code = "description_changed" if name in REASONS else "metadata_changed"
        values = [entries[0].get("value") if entries else None for entries in (first, other)]
        where = f"{path}.customProperties.{name}"
        yield Change(code, where, OK, OK, values[0], values[1])


def _custom(entry: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Name -> the entries of that name."""
    results: dict[str, list[Mapping[str, Any]]] = {}
    for item in entry.get("customProperties") or ():
        if isinstance(item, Mapping):
            results.setdefault(str(item.get("property")), []).append(item)
    return results


# Properties of a column that are next to its description.
OF_A_TYPE = {"timezone", "dimensions", "elementType", "format"}
REASONS = {"classificationReason", "ruleReasons"}


def _words(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value


def rank(classification: Any) -> int | None:
    """How closed a classification is; None when its rank is not known."""
    text = str(classification).lower()
    if text in CLASSIFICATIONS:
        return CLASSIFICATIONS.index(text)
    return int(text) if text.isdigit() else None


def _classification(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    before, after = old.raw.get("classification"), new.raw.get("classification")
    if before == after:
        return
    path = f"{new.path}.classification"
    ranks = rank(before), rank(after)
    if before is None:
        yield Change("classification_raised", path, OK, OK, None, after)
    elif after is None:
        yield Change("classification_lowered", path, OK, OK, before, None)
    elif str(before).lower() == str(after).lower():
        yield entry_change(path, before, after, known=True)
    elif ranks[0] is None or ranks[1] is None or ranks[0] == ranks[1]:
        yield Change("classification_changed", path, UNKNOWN, UNKNOWN, before, after)
    else:
        word = "raised" if ranks[1] > ranks[0] else "lowered"
        yield Change(f"classification_{word}", path, OK, OK, before, after)


def _unit(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    before, after = custom(old.raw, "unit"), custom(new.raw, "unit")
    if before == after:
        return
    if before is None:
        yield Change("unit_added", new.path, OK, OK, None, after)
    elif after is None:
        yield Change("unit_removed", new.path, OK, BREAK, before, None)
    else:
        yield Change("unit_changed", new.path, BREAK, BREAK, before, after)


def _options(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """Options that neither set a type nor limit its values."""
    before = old.raw.get("logicalTypeOptions") or {}
    after = new.raw.get("logicalTypeOptions") or {}
    for key in sorted({*before, *after} - OPTIONS_JUDGED_ELSEWHERE):
        if form({key: before.get(key)}) == form({key: after.get(key)}):
            continue
        if key in OF_A_TYPE and old.logical != new.logical:
            continue  # it makes another type, which is judged as one
        path = f"{new.path}.logicalTypeOptions.{key}"
        if key == "format" and old.logical.name == new.logical.name == "string":
            yield from format_changes(old, new)
        else:
            yield entry_change(path, before.get(key), after.get(key), known=False)


def _enum_texts(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """Labels and descriptions of the values of a closed list."""
    before, after = _by_value(old), _by_value(new)
    for value in sorted(before.keys() & after.keys()):
        if before[value] != after[value]:
            path = f"{new.path}.enum[{value}]"
            yield entry_change(path, before[value], after[value], known=True)


def _by_value(node: SchemaNode) -> dict[str, Any]:
    entries = node.raw.get("enum") or ()
    return {
        str(entry.get("value")): {key: entry[key] for key in entry if key != "value"}
        for entry in entries
        if isinstance(entry, Mapping)
    }
