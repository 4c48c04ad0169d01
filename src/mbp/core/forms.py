"""The form of a YAML file as a dataclass: its JSON Schema, and the values of a file read into it.

A field without a default is demanded, a key without a field is refused. `Annotated[type, Narrowed(...)]` narrows
a type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from mbp.core.schema_check import TEXT, Schema, closed, read_form

Form = TypeVar("Form")


class Narrowed:
    """Words of JSON Schema that narrow a type."""

    def __init__(self, **words: Any) -> None:
        self.words = words


NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
Name = Annotated[str, Narrowed(**NAME)]
Count = Annotated[int, Narrowed(minimum=0)]
Positive = Annotated[int, Narrowed(minimum=1)]
Version = Literal[1]
# Of a list that may not be empty.
SOME = Narrowed(minItems=1)
PLAIN: dict[Any, Schema] = {
    str: TEXT,
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}


def read_as(kind: type[Form], root: Path, name: str) -> tuple[Any, Form]:
    """A file of the project: with line numbers, and as the form that it follows.

    Raises:
        MbpError: missing, unreadable, or the first violation by kind and line.
    """
    document, value = read_form(root, name, schema_of(kind))
    return document, built(kind, value)


def schema_of(kind: Any) -> Schema:
    """The JSON Schema (2019-09) of a type."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return {**schema_of(inner[0]), **inner[1].words}
    if is_dataclass(kind):
        has_default = {
            field.name
            for field in fields(kind)
            if (field.default, field.default_factory) != (MISSING, MISSING)
        }
        properties = {
            name: schema_of(hint)
            for name, hint in get_type_hints(kind, include_extras=True).items()
        }
        return closed(properties, optional=has_default)
    if origin is tuple:
        return {"type": "array", "items": schema_of(inner[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": schema_of(inner[1])}
    if origin is Literal:
        return {"enum": list(inner)}
    return PLAIN.get(kind, {}) if origin is None else schema_of(_present(inner))


def built(kind: Any, value: Any) -> Any:
    """A value that follows the schema of the type, as one of the type."""
    origin, inner = get_origin(kind), get_args(kind)
    if value is None or origin is Literal:
        return value
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: built(hints[name], item) for name, item in value.items()})  # type: ignore[operator]
    if origin is tuple:
        return tuple(built(inner[0], item) for item in value)
    if origin is Mapping:
        return {key: built(inner[1], item) for key, item in value.items()}
    return value if origin is None else built(_present(inner), value)


def _present(alternatives: tuple[Any, ...]) -> Any:
    """Of `type | None` the type."""
    return next(each for each in alternatives if each is not NoneType)
