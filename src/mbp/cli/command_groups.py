"""Groups of commands, for plug-ins that add a command to one."""

from __future__ import annotations

import typer


def group_named(app: typer.Typer, name: str) -> typer.Typer:
    """The group of that name.

    Raises:
        KeyError: no module registered it.
    """
    groups = {one.name: one.typer_instance for one in app.registered_groups}
    found = groups[name]
    if found is None:
        raise KeyError(name)
    return found
