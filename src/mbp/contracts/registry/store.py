"""The files of the registry: one immutable JSON file a version, one append-only file of life stages.

contracts/registry/<dataset>/<version>.json holds canonical JSON (RFC 8785): the contract, who
published it, when and from which commit, the schemas that follow from it, what changed, and the
SHA-256 of its parent, so that a later change of any file shows in all that follow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import rfc8785

from mbp.contracts.compatibility.versions import Version
from mbp.core.errors import MbpError
from mbp.core.files import atomic_path
from mbp.core.paths import inside, shown
from mbp.core.yaml_lines import exact

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
        found: Mapping[str, Any] = self.document["contract"]
        return found


def subject_of(dataset: str, version: Version) -> str:
    """`mbp_quotes` 1.4.0 -> `mbp.quotes.v1`: what compatibility is kept within."""
    family, _, name = dataset.partition("_")
    return f"{family}.{name}.v{version.major}" if name else f"{family}.v{version.major}"


def digest(document: Mapping[str, Any], path: str = "") -> str:
    """SHA-256 of the canonical form.

    Raises:
        MbpError: a value that canonical JSON cannot hold.
    """
    return hashlib.sha256(canonical(document, path)).hexdigest()


def canonical(document: Any, path: str = "") -> bytes:
    """The document in RFC 8785 form; a number of more digits than a double keeps each of them.

    Raises:
        MbpError: a value that canonical JSON cannot hold, like an integer beyond 2^53.
    """
    numbers: list[str] = []
    try:
        text = rfc8785.dumps(_marked(document, numbers))
        for index, number in enumerate(numbers):
            text = text.replace(f'"{_MARK}{index}"'.encode(), number.encode(), 1)
        return text
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise MbpError(
            f"no canonical JSON: {error}", path=path or None, cure="write the value as text"
        ) from error


# In the private use area of Unicode, which no contract writes.
_MARK = "\uf8ffnumber:"


def _marked(value: Any, numbers: list[str]) -> Any:
    """With a mark in the place of every number that a double cannot hold."""
    if isinstance(value, Decimal):
        numbers.append(format(value, "f"))
        return f"{_MARK}{len(numbers) - 1}"
    if isinstance(value, Mapping):
        return {key: _marked(item, numbers) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(item, numbers) for item in value]
    return value


def datasets(root: Path) -> list[str]:
    """Datasets with at least one published version."""
    folder = root / FOLDER
    return sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []


def published(root: Path, dataset: str) -> list[Published]:
    """The versions of the dataset, oldest first.

    Raises:
        MbpError: a file that is no published version, or that stands under another name.
    """
    folder = inside(root / FOLDER, dataset)
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    found = [_read(path, root, dataset) for path in files]
    return sorted(found, key=lambda one: one.version)


def _read(path: Path, root: Path, dataset: str) -> Published:
    place = shown(path, root)
    cure = "restore the file from git; published versions are never edited"
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_float=exact)
    except (OSError, ValueError) as error:
        raise MbpError(f"cannot be read: {error}", path=place, cure=cure) from error
    missing = [key for key in REQUIRED if not isinstance(document, dict) or key not in document]
    if missing:
        raise MbpError(f"no published version: missing {', '.join(missing)}", path=place, cure=cure)
    version = Version.read(str(document["version"]))
    if version is None or document["dataset"] != dataset or path.stem != str(version):
        raise MbpError(
            f"holds {document['dataset']} {document['version']}, not what its name says",
            path=place,
            cure=cure,
        )
    stated = str(document.pop("sha256"))
    return Published(dataset, version, str(document["subject"]), document, stated, place)


def problems(root: Path, dataset: str) -> list[tuple[str, str]]:
    """(file, what is wrong) of every broken hash, link or life stage of the dataset.

    Raises:
        MbpError: a file that cannot be read as what it is.
    """
    found: list[tuple[str, str]] = []
    by_version: dict[str, Published] = {}
    for one in published(root, dataset):
        actual = digest(one.document, one.path)
        if actual != one.sha256:
            found.append(
                (
                    one.path,
                    f"its content has the hash {actual[:16]}, it states "
                    f"{one.sha256[:16]}: the file was changed after publishing",
                )
            )
        text = (root / one.path).read_bytes()
        if text != canonical({**one.document, "sha256": one.sha256}, one.path) + b"\n":
            found.append((one.path, "is not in canonical form (RFC 8785)"))
        parent = one.document["parent"]
        previous = max(by_version.values(), key=lambda item: item.version, default=None)
        if parent is None and previous is not None:
            found.append((one.path, f"names no parent, but {previous.version} was before it"))
        elif parent is not None:
            known = by_version.get(str(parent.get("version")))
            if known is None:
                found.append((one.path, f"its parent {parent.get('version')} is not there"))
            elif known.sha256 != parent.get("sha256"):
                found.append((one.path, f"its parent {known.version} has another hash now"))
        if one.subject != subject_of(dataset, one.version):
            found.append((one.path, f"its subject {one.subject} does not follow from its version"))
        by_version[str(one.version)] = one
    from mbp.contracts.registry.life import life_problems

    return found + life_problems(root, dataset, list(by_version))


def write_version(root: Path, document: Mapping[str, Any]) -> Path:
    """Writes a new version, whole or not at all.

    Raises:
        MbpError: it is there already.
    """
    path = root / FOLDER / str(document["dataset"]) / f"{document['version']}.json"
    if path.exists():
        raise MbpError("is published already", path=shown(path, root), cure="raise the version")
    content = canonical({**document, "sha256": digest(document)}) + b"\n"
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


def newest(versions: Sequence[Published]) -> Published | None:
    """The head: the highest version."""
    return max(versions, key=lambda one: one.version, default=None)
