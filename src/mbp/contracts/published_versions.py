"""The files of the registry: one immutable JSON file a version, one append-only file of life stages.

contracts/registry/<dataset>/<version>.json holds canonical JSON (RFC 8785): the contract, who
published it, when and from which commit, the schemas that follow from it, what changed, and the
SHA-256 of its parent, so that a later change of any file shows in all that follow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semver import Version

from mbp.contracts.compatibility.versions import read_version
from mbp.core.canonical_json import canonical, digest
from mbp.core.errors import MbpError
from mbp.core.files import atomic_path
from mbp.core.paths import inside, shown
from mbp.core.yaml_io import exact

FOLDER = "contracts/registry"
LIFE = "lifecycle.jsonl"
REQUIRED = (
    "dataset",
    "subject",
    "version",
    "publisher",
    "published_on",
    "commit",
    "parent",
    "contract",
    "json_schema",
    "avro_schema",
    "sha256",
)


@dataclass(frozen=True)
class Published:
    """One published version.

    Attributes:
        document: all of the file but its own hash.
        sha256: of the document in canonical form, as the file states it.
    """

    dataset: str
    version: Version
    subject: str
    document: Mapping[str, Any]
    sha256: str
    path: str

    @property
    def contract(self) -> Mapping[str, Any]:
        """The ODCS document that was published."""
        results: Mapping[str, Any] = self.document["contract"]
        return results


def subject_of(dataset: str, version: Version) -> str:
    """`orders` 1.4.0 -> `orders.v1`: what compatibility is kept within."""
    family, _, name = dataset.partition("_")
    return f"{family}.{name}.v{version.major}" if name else f"{family}.v{version.major}"


def datasets(root: Path) -> list[str]:
    """Datasets with at least one published version."""
    folder = root / FOLDER
    return (
        sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    )


def published(root: Path, dataset: str) -> list[Published]:
    """The versions of the dataset, oldest first.

    Raises:
        MbpError: a file that is no published version, or that has another name.
    """
    publisheds = [_read(path, root, dataset) for path in _files(root, dataset)]
    return sorted(publisheds, key=lambda version: version.version)


def newest_published(root: Path, dataset: str) -> Published | None:
    """The highest version of the dataset, by the names of the files; the others are not read.

    Raises:
        MbpError: as `published`, of this version, or of a file whose name is no version.
    """

    def rank(path: Path) -> tuple[bool, Version]:
        version = read_version(path.stem)
        return (version is None, version or Version(0))

    files = _files(root, dataset)
    return _read(max(files, key=rank), root, dataset) if files else None


def _files(root: Path, dataset: str) -> list[Path]:
    folder = inside(root / FOLDER, dataset)
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _read(path: Path, root: Path, dataset: str) -> Published:
    place = shown(path, root)
    fix = "restore the file from git; published versions are never edited"
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_float=exact)
    except (OSError, ValueError) as error:
        raise MbpError(f"cannot be read: {error}", path=place, fix=fix) from error
    missing = [key for key in REQUIRED if not isinstance(document, dict) or key not in document]
    if missing:
        raise MbpError(f"no published version: missing {', '.join(missing)}", path=place, fix=fix)
    version = read_version(str(document["version"]))
    if version is None or document["dataset"] != dataset or path.stem != str(version):
        what = f"holds {document['dataset']} {document['version']}, not what its name says"
        raise MbpError(what, path=place, fix=fix)
    stated = str(document.pop("sha256"))
    return Published(dataset, version, str(document["subject"]), document, stated, place)


def write_version(root: Path, document: Mapping[str, Any]) -> Path:
    """Writes a new version, whole or not at all.

    Raises:
        MbpError: it is there already.
    """
    path = root / FOLDER / str(document["dataset"]) / f"{document['version']}.json"
    if path.exists():
        raise MbpError("is published already", path=shown(path, root), fix="raise the version")
    content = canonical({**document, "sha256": digest(document)}) + b"\n"
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


def newest(versions: Sequence[Published]) -> Published | None:
    """The head: the highest version."""
    return max(versions, key=lambda version: version.version, default=None)


def newest_release(versions: Sequence[Published]) -> Published | None:
    """The highest version that is no pre-release."""
    return newest([version for version in versions if not version.version.prerelease])
