"""Groups of commands, for plug-ins that add a command to one."""

from __future__ import annotations

import typer


def group_named(app: typer.Typer, name: str) -> typer.Typer:
    """The group of that name.

    Raises:
        KeyError: no module registered it.
    """
    groups = {
        registered_group.name: registered_group.typer_instance
        for registered_group in app.registered_groups
    }
    group = groups[name]
    if group is None:
        raise KeyError(name)
    return group
