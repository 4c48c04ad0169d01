"""Is what was published still what it was? Hashes, links and life stages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mbp.contracts.registry.life import entries
from mbp.contracts.registry.store import FOLDER, LIFE, Published, digest, published, subject_of
from mbp.core.canonical_json import canonical


def problems(root: Path, dataset: str) -> list[tuple[str, str]]:
    """(file, what is wrong) of every broken hash, link or life stage of the dataset.

    Raises:
        MbpError: a file that cannot be read as what it is.
    """
    pairs: list[tuple[str, str]] = []
    by_version: dict[str, Published] = {}
    for version in published(root, dataset):
        actual = digest(version.document, version.path)
        if actual != version.sha256:
            pairs.append(
                (
                    version.path,
                    f"its content has the hash {actual[:16]}, it states "
                    f"{version.sha256[:16]}: the file was changed after publishing",
                )
            )
        text = (root / version.path).read_bytes()
        if text != canonical({**version.document, "sha256": version.sha256}, version.path) + b"\n":
            pairs.append((version.path, "is not in canonical form (RFC 8785)"))
        parent = version.document["parent"]
        previous = max(by_version.values(), key=lambda item: item.version, default=None)
        if parent is None and previous is not None:
            pairs.append((version.path, f"names no parent, but {previous.version} was before it"))
        elif parent is not None:
            known = by_version.get(str(parent.get("version")))
            if known is None:
                pairs.append((version.path, f"its parent {parent.get('version')} is not there"))
            elif known.sha256 != parent.get("sha256"):
                pairs.append((version.path, f"its parent {known.version} has another hash now"))
        if version.subject != subject_of(dataset, version.version):
            pairs.append(
                (version.path, f"its subject {version.subject} does not follow from its version")
            )
        by_version[str(version.version)] = version
    return pairs + life_problems(root, dataset, list(by_version))


def life_problems(root: Path, dataset: str, versions: Sequence[str]) -> list[tuple[str, str]]:
    """(file, what is wrong) of broken hashes and links, and of stages of unknown versions."""
    place = f"{FOLDER}/{dataset}/{LIFE}"
    pairs: list[tuple[str, str]] = []
    parent: str | None = None
    for number, entry in enumerate(entries(root, dataset), start=1):
        rest = {key: value for key, value in entry.items() if key != "sha256"}
        if digest(rest) != entry["sha256"] or entry["parent"] != parent:
            pairs.append((place, f"line {number} was changed after it was written"))
        if entry["version"] not in versions:
            pairs.append((place, f"line {number} is of {entry['version']}, which is not published"))
        parent = str(entry["sha256"])
    return pairs
