"""The commands of the program, as the command line provides them.

Documents name commands, and are checked against this tree. The layer of the command line is above them, so it
registers its tree here instead of being imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mbp.core.errors import MbpError

_provided: list[Callable[[], Any]] = []


def provide(tree: Callable[[], Any]) -> None:
    """Registers what builds the tree; a later call replaces an earlier one."""
    _provided[:] = [tree]


def command_tree() -> Any:
    """The root command, with its sub-commands in `commands`.

    Raises:
        MbpError: no program registered its commands.
    """
    if not _provided:
        what = "no program registered its commands, so those that documents name cannot be checked"
        raise MbpError(what, fix="call `mbp.cli.main.register()` first")
    return _provided[0]()
