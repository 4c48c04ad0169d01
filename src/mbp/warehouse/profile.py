"""Reads the connection of a dbt target the way dbt does, without the price of importing dbt."""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError

from mbp.core import yaml_io
from mbp.core.dbt_project import read_project
from mbp.core.errors import MbpError
from mbp.core.paths import ROOT_MARK

EXAMPLE = "profiles.example.yml"
OWN = "profiles.yml"
# The first line of the copy that scripts/setup makes for dbt, with the digest of the lines below.
COPY = re.compile(rb"# Copy of profiles\.example\.yml\b.* sha256:([0-9a-f]{64})\n")


def is_copy_of_example(path: Path) -> bool:
    """Whether scripts/setup wrote this profile and it is unchanged since."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    first = COPY.match(content)
    return (
        first is not None
        and hashlib.sha256(content[first.end() :]).hexdigest().encode() == first[1]
    )


def profile_name(root: Path) -> str:
    """The profile that dbt_project.yml names.

    Raises:
        MbpError: the file cannot be read, or names none.
    """
    name = read_project(root).get("profile")
    if not name:
        raise MbpError("no profile is named", path=ROOT_MARK, fix="add `profile: <name>`")
    return str(_rendered(name, Path(ROOT_MARK)))


def profiles_file(root: Path) -> Path:
    """The file dbt would read: DBT_PROFILES_DIR, the project, the home folder, else the example.

    For the copy that scripts/setup makes it is the example itself, which may be newer.

    Raises:
        MbpError: none of them is there.
    """
    configured = os.environ.get("DBT_PROFILES_DIR")
    candidates = [Path(configured) / OWN] if configured else []
    if (root / EXAMPLE).is_file() and is_copy_of_example(root / OWN):
        candidates.append(root / EXAMPLE)
    candidates += [root / OWN, Path.home() / ".dbt" / OWN, root / EXAMPLE]
    name = profile_name(root)
    for path in candidates:
        if path.is_file() and name in (yaml_io.load(path, shown_as=path.name) or {}):
            return path
    fix = f"write {OWN} for it, or restore {EXAMPLE}"
    raise MbpError(f"no profile {name!r} in {OWN}, ~/.dbt/{OWN} or {EXAMPLE}", fix=fix)


def read_target(root: Path, target: str | None = None) -> tuple[str, dict[str, Any]]:
    """Name and settings of a dbt target, with env_var() filled in.

    Args:
        target: the target's name; `DBT_TARGET` or the profile's default without it.

    Raises:
        MbpError: no such target, or a variable that is demanded and not set.
    """
    path = profiles_file(root)
    profile = yaml_io.load(path, shown_as=path.name)[profile_name(root)]
    if not isinstance(profile, dict) or not isinstance(profile.get("outputs"), dict):
        raise MbpError("the profile has no outputs", path=path.name, fix="add a target to it")
    name = (
        target
        or os.environ.get("DBT_TARGET")
        or str(_rendered(profile.get("target", "default"), path))
    )
    outputs = profile["outputs"]
    if name not in outputs:
        raise MbpError(
            f"no target {name!r}", path=path.name, fix=f"use one of {', '.join(outputs)}"
        )
    return name, {str(key): _rendered(value, path) for key, value in outputs[name].items()}


def _rendered(value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        return {str(key): _rendered(item, path) for key, item in value.items()}
    if isinstance(value, list):
        return [_rendered(item, path) for item in value]
    if not isinstance(value, str) or "{{" not in value:
        return yaml_io.plain(value)
    try:
        return _template(value).render()
    except (TemplateError, ValueError) as error:
        raise MbpError(
            f"cannot fill in {value!r}: {error}", path=path.name, fix="correct the expression"
        ) from error


@lru_cache(maxsize=256)
def _template(text: str) -> Template:
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - not HTML
    environment.globals["env_var"] = _env_var
    environment.filters |= {"as_number": int, "as_text": str}
    return environment.from_string(text)


def _env_var(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise MbpError(f"the environment variable {name} is not set", fix=f"export {name}=...")
    return value
