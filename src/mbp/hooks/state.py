"""Where a watcher keeps what others act on: release.lock, the outbox and the incidents."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mbp import moments
from mbp.errors import MbpError
from mbp.files import write_text
from mbp.paths import shown

DEFAULT = ".mbp"
LOCK = "release.lock"
KINDS = ("deploy", "merge")


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


@dataclass(frozen=True)
class Block:
    """One reason not to merge or deploy."""

    kind: str
    hook_id: str
    decision_id: str
    owner: str
    reason: str


def state_folder(root: Path) -> StateFolder:
    """The state folder of the project."""
    return StateFolder(root / os.environ.get("MBP_STATE_DIR", DEFAULT))


def write_lock(folder: StateFolder, blocks: Sequence[Block], policy_hash: str) -> None:
    """Writes release.lock as a whole; an empty list says that somebody looked and nothing blocks."""
    document = {
        "version": 1,
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "policy_hash": policy_hash,
        "blocks": [vars(block) for block in blocks],
    }
    write_text(folder.lock, json.dumps(document, indent=2, sort_keys=True) + "\n")


def read_lock(root: Path, folder: StateFolder, max_age_hours: int, now: datetime) -> list[Block]:
    """The blocks in force.

    Raises:
        MbpError: no lock file, one that cannot be read, is older than `max_age_hours`, or is of the future.
    """
    name = shown(folder.lock, root)
    cure = "run `mbp watch --once` first"
    try:
        document = json.loads(folder.lock.read_text(encoding="utf-8"))
        written = datetime.fromisoformat(document["written_at"])
        blocks = [Block(**entry) for entry in document["blocks"]]
        why = moments.objection(written, now, timedelta(hours=max_age_hours))
    except FileNotFoundError as error:
        raise MbpError("nobody looked: the file is not there", path=name, cure=cure) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"is not a release lock ({type(error).__name__}: {error})"
        raise MbpError(what, path=name, cure=cure) from error
    wrong = [block.kind for block in blocks if block.kind not in KINDS]
    if wrong:
        raise MbpError(f"unknown kind of block {wrong[0]!r}", path=name, cure=cure)
    if why:
        raise MbpError(f"was written {why}", path=name, cure=cure)
    return blocks


def read_message(path: Path, root: Path) -> Mapping[str, Any]:
    """A message of the outbox.

    Raises:
        MbpError: it cannot be read.
    """
    try:
        message = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        what = f"is no message of the outbox ({error})"
        raise MbpError(what, path=shown(path, root), cure="restore or remove it by hand") from error
    if not isinstance(message, dict) or {"channel", "key", "body"} - message.keys():
        raise MbpError(
            "is no message of the outbox: expected channel, key and body",
            path=shown(path, root),
            cure="restore or remove it by hand",
        )
    return message
