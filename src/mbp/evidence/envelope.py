"""One form for everything that a command measured: what, of which source and data, when, and the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from mbp.building.dbt_process import target_path
from mbp.errors import MbpError
from mbp.evidence.derive import ReadFile, Verdict, contradiction, derive
from mbp.evidence.source import Source, source_of
from mbp.files import write_text
from mbp.paths import shown

VERSION = 1
EvidenceVerdict = Verdict
KEYS = {
    "version",
    "name",
    "measured_at",
    "commit",
    "clean",
    "source",
    "target",
    "data",
    "verdict",
    "summary",
    "content",
}


class NoEvidenceError(MbpError):
    """Nobody measured it: the file is not there."""


@dataclass(frozen=True)
class Evidence:
    """One measurement.

    Attributes:
        path: relative to the project.
        measured_at: in UTC.
        commit, clean, source: of `mbp.evidence.source`; None outside of a git repository.
        target: the dbt target that was looked at; None when no warehouse was.
        data: the state of the public datasets; None when the measurement does not depend on it.
        summary: one sentence for a reader.
    """

    name: str
    path: str
    measured_at: datetime
    commit: str | None
    clean: bool | None
    source: str | None
    target: str | None
    data: str | None
    verdict: EvidenceVerdict
    summary: str
    content: Mapping[str, Any]


def evidence_folder(root: Path) -> Path:
    """Where measurements lie: beside dbt's own artifacts."""
    return target_path(root) / "evidence"


def evidence_path(root: Path, name: str) -> Path:
    """The file of one measurement."""
    return evidence_folder(root) / f"{name}.json"


def names(root: Path) -> list[str]:
    """Measurements that lie there. Lists of other tools beside them (sbom.cdx.json) have a dot in their name."""
    files = evidence_folder(root).glob("*.json")
    return sorted(path.stem for path in files if "." not in path.stem)


def write(
    root: Path,
    name: str,
    *,
    summary: str,
    content: Mapping[str, Any],
    target: str | None = None,
    data: str | None = None,
) -> Path:
    """Writes target/evidence/`name`.json as a whole; its path. The verdict is the one that follows from the content.

    Args:
        content: what was found; anything that JSON cannot say is written as text.
        target, data: the dbt target and the state of its public datasets (`source.data_state`), where the
            measurement depends on them.
    """
    source = _source(root)
    # As a reader will find it: the verdict must follow from what is written, not from what is in memory.
    content = json.loads(json.dumps(content, default=str))
    document = {
        "version": VERSION,
        "name": name,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": source.commit if source else None,
        "clean": source.clean if source else None,
        "source": source.digest if source else None,
        "target": target,
        "data": data,
        "verdict": derive(name, content, file_reader(root)).verdict,
        "summary": summary,
        "content": content,
    }
    path = evidence_path(root, name)
    write_text(path, json.dumps(document, indent=2, sort_keys=True, default=str) + "\n")
    return path


def read(root: Path, name: str) -> Evidence:
    """The measurement of that name.

    Raises:
        NoEvidenceError: there is none.
        MbpError: the file is not what `write` writes.
    """
    path = evidence_path(root, name)
    place = shown(path, root)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.keys() != KEYS:
            raise ValueError(f"expected an object with {', '.join(sorted(KEYS))}")
        if found["version"] != VERSION or found["name"] != name:
            raise ValueError(f"expected version {VERSION} of {name}")
        if found["verdict"] not in get_args(EvidenceVerdict):
            raise ValueError(f"unknown verdict {found['verdict']!r}")
        if not isinstance(found["content"], dict):
            raise ValueError("content is no object")
        moment = datetime.fromisoformat(found["measured_at"])
        if moment.tzinfo is None:
            raise ValueError("measured_at has no time zone")
        if wrong := contradiction(found, file_reader(root)):
            raise ValueError(wrong)
    except FileNotFoundError as error:
        raise NoEvidenceError("not measured: the file is not there", path=place) from error
    except (OSError, ValueError, TypeError) as error:
        raise MbpError(
            f"is no evidence ({error})",
            path=place,
            cure="measure again: the command writes it anew",
        ) from error
    kept = {key: value for key, value in found.items() if key not in ("version", "measured_at")}
    return Evidence(path=place, measured_at=moment.astimezone(UTC), **kept)


def file_reader(root: Path) -> ReadFile:
    """Reads files that a measurement names by their path in the project."""

    def read_file(place: str) -> bytes | None:
        try:
            return (root / place).read_bytes()
        except OSError:
            return None

    return read_file


def source_digest(root: Path) -> str | None:
    """Digest of the source as it is now; None outside of a git repository."""
    source = _source(root)
    return source.digest if source else None


def _source(root: Path) -> Source | None:
    try:
        return source_of(root)
    except MbpError:
        return None  # no repository: the gate takes it for what it is, of an unknown source
