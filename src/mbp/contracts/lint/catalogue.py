"""The codes of lint: what each means, why it is judged so, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from ruamel.yaml import YAML

from mbp.core.reporting import CodeMeaning


@cache
def _content() -> Any:
    source = resources.files("mbp.contracts.lint") / "catalogue.yaml"
    return YAML(typ="safe").load(source.read_text(encoding="utf-8"))


@cache
def rules() -> Mapping[str, CodeMeaning]:
    """Code -> rule, in the order of the catalogue."""
    return {code: CodeMeaning(code=code, **entry) for code, entry in _content()["codes"].items()}


def groups() -> Mapping[str, str]:
    """Group, which is the beginning of its codes -> what it is about."""
    return dict(_content()["groups"])
