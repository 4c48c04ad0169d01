"""The settings of a project: `[tool.mbp]` of its pyproject.toml, or its mbp.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.schema_check import did_you_mean

OWN, SHARED = "mbp.toml", "pyproject.toml"
PACKS = ("A106", "A87", "A89", "A108")
TEXTS, LISTS = ("title", "tests", "macros", "docs"), ("plugins", "packs")


@dataclass(frozen=True)
class Settings:
    """What a project says about itself; dbt_project.yml, profiles.yml and the contracts say the rest.

    Attributes:
        title: what the help calls the project.
        plugins: packages whose `<name>.commands` add commands.
        packs: which packs lint and status judge.
        tests: folder for the rules as files of SQL. None: the properties of the models are rendered from the
            contracts, with the rules in them.
        macros: folder for the macros that these tests call.
        docs: folder for the table of the rules.
    """

    title: str = ""
    plugins: tuple[str, ...] = ()
    packs: tuple[str, ...] = PACKS
    tests: str | None = None
    macros: str = "macros/contracts"
    docs: str = "docs/contracts"

    @property
    def hosted(self) -> bool:
        """The contracts belong to a dbt project with its own layout: its models stay as they are."""
        return self.tests is not None


def load_settings(root: Path) -> Settings:
    """The settings of the project; the defaults without any.

    Raises:
        MbpError: a file that is not TOML, or a key or value that is unknown.
    """
    for name in (OWN, SHARED):
        path = root / name
        if path.is_file():
            table = _table(path.read_bytes(), name)
            if table is not None:
                return table
    return Settings()


@lru_cache(maxsize=8)
def _table(content: bytes, name: str) -> Settings | None:
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except ValueError as error:
        fix = "correct the file"
        raise MbpError(f"not valid TOML: {error}", path=name, fix=fix) from error
    section: Any = document if name == OWN else document.get("tool", {}).get("mbp")
    if section is None:
        return None
    values: dict[str, Any] = {}
    for key, value in section.items():
        if key in TEXTS and isinstance(value, str):
            values[key] = value
        elif key in LISTS and isinstance(value, list) and all(isinstance(v, str) for v in value):
            values[key] = tuple(value)
        else:
            known = key in (*TEXTS, *LISTS)
            expected = "a text" if key in TEXTS else "a list of texts"
            raise MbpError(
                f"{key}: expected {expected}, found {value!r}" if known else f"unknown key {key!r}",
                path=name,
                fix=f"write {expected}" if known else did_you_mean(key, (*TEXTS, *LISTS)),
            )
    for pack in values.get("packs", ()):
        if pack not in PACKS:
            fix = did_you_mean(pack, PACKS)
            raise MbpError(f"packs: unknown pack {pack!r}", path=name, fix=fix)
    return Settings(**values)
