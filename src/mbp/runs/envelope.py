"""One form for all measurements: what, of which source, warehouse, run and data, when, and the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.paths import shown
from mbp.core.verdict import Verdict
from mbp.runs.claims import Claim, Nodes
from mbp.runs.dbt_process import target_path
from mbp.runs.derivation import ReadFile
from mbp.runs.derive import DERIVED, contradiction, derive
from mbp.runs.working_copy import WorkingCopy, source_of

VERSION = 3
TIMES = ("began_at", "ended_at")
NODES = {"covered": int, "demanded": int, "digest": str}
CHANGED = "the source changed while it was measured"
FIX = "measure again: the command writes it again"


class NoEvidenceError(MbpError):
    """It was not measured: the file does not exist."""


@dataclass(frozen=True)
class Begun:
    """A measurement that has begun: when, and the source at that moment (None outside of a git repository)."""

    root: Path
    at: datetime
    source: WorkingCopy | None


@dataclass(frozen=True)
class Evidence:
    """One measurement.

    Attributes:
        path: relative to the project.
        began_at, ended_at: in UTC.
        commit, clean, source: of `mbp.runs.working_copy`, before it began; None outside of a git repository.
        source_after: digest of the source after it ended.
        target: the dbt target that was measured; None when no warehouse was.
        warehouse: the id that is written in that warehouse.
        data: the state of the public datasets; None when the measurement does not depend on it.
        invocation, nodes: the run of dbt it is of, and the nodes which that run covered; None when dbt did not run.
        summary: one sentence for a reader.
        findings: how many problems make it fail; 0 when it passed or was not measured.
    """

    name: str
    path: str
    began_at: datetime
    ended_at: datetime
    commit: str | None
    clean: bool | None
    source: str | None
    source_after: str | None
    target: str | None
    warehouse: str | None
    data: str | None
    invocation: str | None
    nodes: Nodes | None
    verdict: Verdict
    summary: str
    content: Mapping[str, Any]
    findings: int = 0

    @property
    def claim(self) -> Claim:
        """What it says of itself, for `mbp.runs.claims.objections`."""
        names = {field.name for field in fields(Claim)} & vars(self).keys()
        return Claim(**{name: getattr(self, name) for name in names})


# Of the file; its path is not in it, and the findings follow from the content.
KEYS = {"version", *(field.name for field in fields(Evidence))} - {"path", "findings"}


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


def begin(root: Path) -> Begun:
    """Call it before anything is measured; `write` compares the source with the one of this moment."""
    return Begun(root, datetime.now(UTC), _source(root))


def write(
    begun: Begun,
    name: str,
    *,
    summary: str,
    content: Mapping[str, Any],
    target: str | None = None,
    warehouse: str | None = None,
    data: str | None = None,
    run: Claim | None = None,
) -> Path:
    """Writes target/evidence/`name`.json as a whole; its path. The verdict is the one that follows from the content.

    A measurement during which the source changed is void: its verdict is `not_measured`.

    Args:
        begun: of `begin`, taken before the measurement.
        content: what was found; anything that JSON cannot say is written as text.
        target, warehouse, data: the dbt target, the id of its warehouse and the state of its public datasets
            (`mbp.runs.run_control.data_state`), where the measurement depends on them.
        run: the run of dbt that the measurement is of; it began with that run.
    """
    after = _source(begun.root)
    source = begun.source
    # As a reader will find it: the verdict must follow from what is written, not from what is in memory.
    content = json.loads(json.dumps(content, default=str))
    verdict = derive(name, content, file_reader(begun.root)).verdict
    if (after and after.digest) != (source and source.digest):
        verdict, summary = Verdict.NOT_MEASURED, f"{CHANGED}; it said: {summary}"
    nodes = run.nodes if run else None
    document = {
        "version": VERSION,
        "name": name,
        "began_at": (min(begun.at, run.began_at) if run else begun.at).isoformat(
            timespec="seconds"
        ),
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": source.commit if source else None,
        "clean": source.clean if source else None,
        "source": source.digest if source else None,
        "source_after": after.digest if after else None,
        "target": target,
        "warehouse": warehouse,
        "data": data,
        "invocation": run.invocation if run else None,
        "nodes": {key: getattr(nodes, key) for key in NODES} if nodes else None,
        "verdict": verdict,
        "summary": summary,
        "content": content,
    }
    path = evidence_path(begun.root, name)
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
        document = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(document, dict) and document.get("version") != VERSION:
            message = (
                f"version {document.get('version')!r}, this release of mbp reads version {VERSION}"
            )
            raise ValueError(message)
        if not isinstance(document, dict) or document.keys() != KEYS:
            raise ValueError(f"expected an object with {', '.join(sorted(KEYS))}")
        if document["name"] != name:
            raise ValueError(f"expected version {VERSION} of {name}")
        if document["verdict"] not in DERIVED:
            raise ValueError(f"unknown verdict {document['verdict']!r}")
        if not isinstance(document["content"], dict):
            raise ValueError("content is not an object")
        moments = {key: _moment(key, document[key]) for key in TIMES}
        nodes = _nodes(document["nodes"])
        if wrong := contradiction(document, file_reader(root)):
            raise ValueError(wrong)
    except FileNotFoundError as error:
        raise NoEvidenceError("not measured: the file is not there", path=place) from error
    except (OSError, ValueError, TypeError) as error:
        raise MbpError(f"is not valid evidence ({error})", path=place, fix=FIX) from error
    kept = {key: value for key, value in document.items() if key != "version"}
    return Evidence(
        **{
            **kept,
            **moments,
            "verdict": Verdict(document["verdict"]),
            "nodes": nodes,
            "path": place,
            "findings": derive(name, document["content"], file_reader(root)).findings,
        }
    )


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


def _moment(key: str, text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{key} has no time zone")
    return moment.astimezone(UTC)


def _nodes(results: Any) -> Nodes | None:
    if results is None:
        return None
    if not isinstance(results, dict) or results.keys() != NODES.keys():
        raise ValueError(f"nodes: expected an object with {', '.join(sorted(NODES))}")
    for key, kind in NODES.items():
        if type(results[key]) is not kind:
            raise ValueError(f"nodes.{key}: expected {kind.__name__}")
    return Nodes(**results)


def _source(root: Path) -> WorkingCopy | None:
    try:
        return source_of(root)
    except MbpError:
        return None  # no repository: the gate takes it for what it is, of an unknown source
