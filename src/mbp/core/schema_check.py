"""A document against a JSON Schema, with one line for people: file, line, what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from mbp.core.errors import MbpError
from mbp.core.yaml_io import line_of, plain

if TYPE_CHECKING:  # every command imports this module, and few check a document
    from jsonschema import Draft201909Validator
    from jsonschema.exceptions import ValidationError

KEY_CHECKS = ("additionalProperties", "unevaluatedProperties")
LONGEST_VALUE = 60
Kind = Literal["unknown key", "missing key", "wrong value"]


@dataclass(frozen=True)
class SchemaViolation:
    """One place where a document does not follow its schema."""

    kind: Kind
    line: int | None
    what: str
    fix: str | None
    place: tuple[str | int, ...]


def check(document: Any, validator: Draft201909Validator, path: str) -> Any:
    """`document` as ordinary dicts and lists, dates as ISO text, when it follows the schema.

    Args:
        document: as `mbp.core.yaml_io` loaded it, with line numbers.
        validator: of the schema.
        path: file that messages name.

    Raises:
        MbpError: the first violation by kind and line.
    """
    schema_violations = violations(document, validator)
    if schema_violations:
        first = schema_violations[0]
        raise MbpError(first.what, path=path, line=first.line, fix=first.fix)
    return as_json(plain(document))


def violations(document: Any, validator: Draft201909Validator) -> list[SchemaViolation]:
    """Everything in `document` that does not follow the schema, unknown keys first, then by line.

    A mistyped key is also a missing one, and the typing error is what the reader has to see.
    """
    schema_violations = {
        (violation.kind, violation.line, violation.what): violation
        for violation in _violations(document, as_json(plain(document)), validator)
    }
    return sorted(
        schema_violations.values(),
        key=lambda schema_violation: (
            schema_violation.kind != "unknown key",
            schema_violation.line or 0,
            schema_violation.what,
        ),
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A fix that names the nearest known word, or all of them when none is near."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"use one of {', '.join(names)}" if names else "remove it"


def as_json(value: Any) -> Any:
    """Dates as ISO text: JSON Schema knows no dates, YAML makes them of bare text."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value


def violations_in(
    document: Any, value: Any, validator: Draft201909Validator, place: tuple[str | int, ...]
) -> Iterator[SchemaViolation]:
    """Violations of one part of a document.

    Args:
        document: the whole, with line numbers.
        value: the part as plain data.
        place: where the part is in the document.
    """
    yield from _violations(document, value, validator, place)


def _violations(
    document: Any,
    value: Any,
    validator: Draft201909Validator,
    start: tuple[str | int, ...] = (),
) -> Iterator[SchemaViolation]:
    for error in validator.iter_errors(value):
        error.relative_path.extendleft(reversed(start))
        for leaf in _leaves(error):
            place = tuple(leaf.absolute_path)
            if leaf.validator in KEY_CHECKS and isinstance(leaf.instance, dict):
                known = _property_names(leaf.schema, validator)
                for key in sorted(leaf.instance.keys() - known):
                    where = f" in {place_text(place)}" if place else ""
                    yield SchemaViolation(
                        "unknown key",
                        line_at(document, [*place, key]),
                        f"unknown key {key!r}{where}",
                        did_you_mean(key, known),
                        (*place, key),
                    )
            else:
                kind: Kind = "missing key" if leaf.validator == "required" else "wrong value"
                line = line_at(document, place)
                yield SchemaViolation(kind, line, _sentence(leaf, list(place)), None, place)


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """The errors inside the one alternative that was meant; the whole where that is open."""
    if not error.context:
        yield error
        return
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    here = len(error.absolute_path)
    # An alternative for another kind of value is not what the writer meant.
    meant = [branch for branch in branches.values() if not _of_another_kind(branch, here)]
    if len(meant) != 1:
        yield error
        return
    for inner in meant[0]:
        yield from _leaves(inner)


def _of_another_kind(errors: Sequence[ValidationError], depth: int) -> bool:
    return any(error.validator == "type" and len(error.absolute_path) == depth for error in errors)


def _property_names(schema: Any, validator: Draft201909Validator, seen: int = 0) -> set[str]:
    """Every key that some branch of `schema` names for the object itself."""
    names: set[str] = set()
    if not isinstance(schema, dict) or seen > 12:  # noqa: PLR2004 (references that go in circles)
        return names
    names |= set(schema.get("properties", {}))
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target: Any = validator.schema
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        names |= _property_names(target, validator, seen + 1)
    for word in ("allOf", "anyOf", "oneOf"):
        for branch in schema.get(word, ()):
            names |= _property_names(branch, validator, seen + 1)
    for word in ("if", "then", "else"):
        names |= _property_names(schema.get(word), validator, seen + 1)
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


def _sentence(error: ValidationError, place: Sequence[str | int]) -> str:
    where = f"{place_text(place)}: " if place else ""
    value = repr(error.instance)
    shown = value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}..."
    expected: Any = error.validator_value
    if error.validator == "required":
        missing = sorted(set(expected) - set(plain(error.instance)))
        return f"{where}missing key {', '.join(repr(key) for key in missing)}"
    if error.validator == "type":
        kinds = expected if isinstance(expected, str) else " or ".join(expected)
        return f"{where}expected {kinds}, found {shown}"
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
    if error.validator in sentences:
        return f"{where}{sentences[str(error.validator)]}, found {shown}"
    return f"{where}{error.message}"
