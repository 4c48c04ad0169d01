"""The folder that holds what a watcher decided: release.lock, the outbox and the incidents."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT = ".mbp"


LOCK = "release.lock"


@dataclass(frozen=True)
class StateFolder:
    """The folder `MBP_STATE_DIR` (relative to the project), else .mbp/."""

    path: Path

    @property
    def outbox(self) -> Path:
        """Messages that wait; those that were delivered lie in its folder sent/."""
        return self.path / "outbox"

    @property
    def incidents(self) -> Path:
        """One Markdown file per decision."""
        return self.path / "incidents"

    @property
    def lock(self) -> Path:
        """What blocks merges and deployments."""
        return self.path / LOCK


def state_folder(root: Path) -> StateFolder:
    """The state folder of the project."""
    return StateFolder(root / os.environ.get("MBP_STATE_DIR", DEFAULT))
