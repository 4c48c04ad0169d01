"""A document against a JSON Schema (2019-09), with one line for people: file, line, what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from mbp.core.errors import MbpError
from mbp.core.yaml_io import line_of, plain

if TYPE_CHECKING:  # every command imports this module, and few check a document
    from jsonschema_rs import Draft201909Validator, ValidationError

KEY_CHECKS = ("additionalProperties", "unevaluatedProperties")
FIXES = {"format": "write YYYY-MM-DD", "minLength": "write some text"}
LONGEST_VALUE = 60
TEXT = {"type": "string", "minLength": 1}
MOST_ERRORS = 300  # more than anybody reads
Kind = Literal["unknown key", "missing key", "wrong value"]
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class SchemaViolation:
    """One place where a document does not follow its schema."""

    kind: Kind
    line: int | None
    what: str
    fix: str | None
    place: tuple[str | int, ...]


def closed(properties: Mapping[str, Any], *, optional: Collection[str] = ()) -> dict[str, Any]:
    """Schema of an object that has these keys and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def check(document: Any, schema: Schema, path: str) -> Any:
    """`document` as ordinary dicts and lists when it follows the schema.

    Args:
        document: as `mbp.core.yaml_io` loaded it, with line numbers.

    Raises:
        MbpError: the first violation by kind and line.
    """
    for first in violations(document, schema):
        raise MbpError(first.what, path=path, line=first.line, fix=first.fix)
    return plain(document)


def wrong_at(node: Any, key: str | int, path: str, what: str, fix: str) -> MbpError:
    """The error about `key` of a node that carries line numbers."""
    return MbpError(what, path=path, line=line_of(node, key), fix=fix)


def violations(
    document: Any, schema: Schema, validator: Draft201909Validator | None = None
) -> list[SchemaViolation]:
    """Everything in `document` that does not follow the schema, unknown keys first, then by line.

    A mistyped key is also a missing one, and the typing error is what the reader has to see.

    Args:
        validator: of the schema, where one was compiled already.
    """
    from jsonschema_rs import Draft201909Validator

    compiled = validator or Draft201909Validator(dict(schema), validate_formats=True)
    try:
        unique = {
            (violation.kind, violation.line, violation.what): violation
            for error in islice(compiled.iter_errors(plain(document)), MOST_ERRORS)
            for leaf in _leaves(error)
            for violation in _violations(document, leaf, schema)
        }
    except ValueError as error:
        what = f"a value cannot be read: {' '.join(str(error).split())}"
        return [SchemaViolation("wrong value", line_of(document), what, None, ())]
    return sorted(
        unique.values(),
        key=lambda violation: (
            violation.kind != "unknown key",
            violation.line or 0,
            violation.what,
        ),
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A fix that names the nearest known word, or all of them when none is near."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"use one of {', '.join(names)}" if names else "remove it"


def _violations(document: Any, error: ValidationError, schema: Schema) -> Iterator[SchemaViolation]:
    place = tuple(error.instance_path)
    where = f"{place_text(place)}: " if place else ""
    holder, instance = _at(schema, error.schema_path[:-1]), error.instance
    if error.kind.name in KEY_CHECKS and isinstance(instance, dict):
        known = _property_names(holder, schema)
        for key in sorted(instance.keys() - known):
            inside = f" in {place_text(place)}" if place else ""
            what, line = f"unknown key {key!r}{inside}", line_at(document, [*place, key])
            yield SchemaViolation(
                "unknown key", line, what, did_you_mean(key, known), (*place, key)
            )
    elif error.kind.name == "required" and isinstance(instance, dict):
        missing = sorted(set(holder["required"]) - instance.keys())
        what = f"{where}missing key {', '.join(map(repr, missing))}"
        yield SchemaViolation("missing key", line_at(document, place), what, None, place)
    else:
        what = f"{where}{_sentence(error, holder)}"
        line, fix = line_at(document, place), FIXES.get(error.kind.name)
        yield SchemaViolation("wrong value", line, what, fix, place)


def _at(schema: Any, steps: Sequence[str | int]) -> Any:
    for step in steps:
        schema = schema[step]
    return schema


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """The errors inside the one alternative that was meant; the whole where that is open."""
    # An alternative for another kind of value is not what the writer meant.
    meant = [
        branch
        for branch in getattr(error.kind, "context", ())
        if not any(
            inner.kind.name == "type" and len(inner.instance_path) == len(error.instance_path)
            for inner in branch
        )
    ]
    if len(meant) != 1 or not meant[0]:
        yield error
        return
    for inner in meant[0]:
        yield from _leaves(inner)


def _property_names(schema: Any, whole: Schema, seen: int = 0) -> set[str]:
    """Every key that some branch of `schema` names for the object itself."""
    names: set[str] = set()
    if not isinstance(schema, Mapping) or seen > 12:  # noqa: PLR2004 (references that go in circles)
        return names
    names |= set(schema.get("properties", {}))
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target = _at(whole, reference.removeprefix("#/").split("/"))
        names |= _property_names(target, whole, seen + 1)
    branches = [branch for word in ("allOf", "anyOf", "oneOf") for branch in schema.get(word, ())]
    for branch in (*branches, *(schema.get(word) for word in ("if", "then", "else"))):
        names |= _property_names(branch, whole, seen + 1)
    return names


def line_at(document: Any, place: Sequence[str | int]) -> int | None:
    """Line of the node at `place`; of the nearest parent whose line is known otherwise."""
    node = document
    line = line_of(document)
    for step in place:
        line = line_of(node, step) or line
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            break
    return line


def place_text(place: Sequence[str | int]) -> str:
    """The place in a message, like `schema[0].properties[2].name`."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def _sentence(error: ValidationError, holder: Any) -> str:
    value = repr(error.instance)
    shown = value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}..."
    expected: Any = holder.get(error.kind.name) if isinstance(holder, Mapping) else None
    if error.kind.name == "type":
        kinds = expected if isinstance(expected, str) else " or ".join(expected)
        return f"expected {kinds}, found {shown}"
    if expected == "date":
        return f"{shown} is not a day"
    sentences = {
        "enum": f"expected one of {expected}",
        "const": f"expected {expected!r}",
        "pattern": f"expected text like {expected}",
        "minLength": "expected some text",
        "minItems": "expected at least one entry",
        "minProperties": "expected at least one entry",
        "not": "expected another form",
        "oneOf": "expected another form",
        "anyOf": "expected another form",
    }
    if error.kind.name in sentences:
        return f"{sentences[error.kind.name]}, found {shown}"
    return error.message
