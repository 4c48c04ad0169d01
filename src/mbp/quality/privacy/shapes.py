"""The forms of credentials: those of the plug-ins of detect-secrets, and those of providers that it does not know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import resources
from typing import Any

from ruamel.yaml import YAML

FILE = "credential_forms.yaml"
PLACES = {"<edge>": r"(?<![A-Za-z0-9])", "<end>": r"(?![A-Za-z0-9])"}


@dataclass(frozen=True)
class Shape:
    """The form of a credential.

    Attributes:
        hints: texts of which one is on the line, in small letters; empty for every line.
        valid: what else must be true of the value.
    """

    what: str
    hints: Sequence[str]
    form: re.Pattern[str]
    valid: Callable[[str], bool] | None = None


@lru_cache(maxsize=1)
def shapes() -> tuple[Shape, ...]:
    """All forms: ours first, then each plug-in's that is installed."""
    text = (resources.files("mbp.quality.privacy") / FILE).read_text(encoding="utf-8")
    catalogue = YAML(typ="safe").load(text)
    own = [
        Shape(entry["what"], entry["hints"], _form(entry["form"])) for entry in catalogue["forms"]
    ]
    return (*own, *_plugins(catalogue))


def _form(text: str) -> re.Pattern[str]:
    for name, place in PLACES.items():
        text = text.replace(name, place)
    return re.compile(text)


def _plugins(catalogue: Mapping[str, Any]) -> Iterator[Shape]:
    # Imported here: it takes a quarter of a second, and half of the commands need no detector.
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    plugins: dict[str, Any] = get_mapping_from_secret_type_to_class()
    for what, plugin in sorted(plugins.items()):
        if what in catalogue["not_used"]:
            continue
        made = plugin()
        valid = getattr(made, "is_formally_valid", None)
        if what in catalogue["shortest"]:
            valid = partial(_long_enough, catalogue["shortest"][what])
        for form in made.denylist:
            yield Shape(what, catalogue["hints"].get(what, ()), form, valid)


def _long_enough(length: int, value: str) -> bool:
    return len(value) >= length
