"""Whether everything that was published is still what it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mbp.contracts.published_versions import (
    FOLDER,
    LIFE,
    Published,
    datasets,
    published,
    subject_of,
)
from mbp.contracts.registry.life import entries
from mbp.contracts.registry.odcs_documents import git, ref_of
from mbp.core.canonical_json import canonical, digest
from mbp.core.errors import MbpError
from mbp.core.paths import inside


def verify_registry(root: Path, ref: str | None = None) -> tuple[list[str], list[tuple[str, str]]]:
    """(versions that were checked, (file, what is wrong) of everything that was changed).

    Args:
        ref: a git ref; each version that it has must be here, byte by byte. The last version has no
            child that could give a change away, so this is what protects it.

    Raises:
        MbpError: nothing is published, or the ref is not there.
    """
    checked: list[str] = []
    pairs: list[tuple[str, str]] = []
    for dataset in datasets(root):
        checked += [f"{dataset} {version.version}" for version in published(root, dataset)]
        pairs += problems(root, dataset)
    if not checked:
        raise MbpError(
            "nothing is published: nothing to verify", path=FOLDER, fix="mbp registry publish"
        )
    if ref is not None:
        listed = git(root, "ls-tree", "-r", f"{ref_of(ref)}:./{FOLDER}").splitlines()
        for line in listed:
            mode_type_hash, _, name = line.partition("\t")
            path = inside(root / FOLDER, name)
            if not name.endswith(".json"):
                continue
            if not path.is_file():
                pairs.append((f"{FOLDER}/{name}", f"is published at {ref} and is not here"))
            elif git(root, "hash-object", str(path)).strip() != mode_type_hash.split()[2]:
                pairs.append((f"{FOLDER}/{name}", f"differs from what was published at {ref}"))
    return checked, pairs


def problems(root: Path, dataset: str) -> Iterator[tuple[str, str]]:
    """(file, what is wrong) of every broken hash, link or life stage of the dataset.

    Raises:
        MbpError: a file that cannot be read as what it is.
    """
    by_version: dict[str, Published] = {}
    for version in published(root, dataset):
        actual = digest(version.document, version.path)
        if actual != version.sha256:
            hashes = f"its content has the hash {actual[:16]}, it states {version.sha256[:16]}"
            yield version.path, f"{hashes}: the file was changed after publishing"
        text = (root / version.path).read_bytes()
        if text != canonical({**version.document, "sha256": version.sha256}, version.path) + b"\n":
            yield version.path, "is not in canonical form (RFC 8785)"
        parent = version.document["parent"]
        previous = max(by_version.values(), key=lambda item: item.version, default=None)
        if parent is None and previous is not None:
            yield version.path, f"names no parent, but {previous.version} was before it"
        elif parent is not None:
            known = by_version.get(str(parent.get("version")))
            if known is None:
                yield version.path, f"its parent {parent.get('version')} is not there"
            elif known.sha256 != parent.get("sha256"):
                yield version.path, f"its parent {known.version} has another hash now"
        if version.subject != subject_of(dataset, version.version):
            what = f"its subject {version.subject} does not follow from its version"
            yield version.path, what
        by_version[str(version.version)] = version
    yield from life_problems(root, dataset, list(by_version))


def life_problems(root: Path, dataset: str, versions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(file, what is wrong) of broken hashes and links, and of stages of unknown versions."""
    place = f"{FOLDER}/{dataset}/{LIFE}"
    parent: str | None = None
    for number, entry in enumerate(entries(root, dataset), start=1):
        rest = {key: value for key, value in entry.items() if key != "sha256"}
        if digest(rest) != entry["sha256"] or entry["parent"] != parent:
            yield place, f"line {number} was changed after it was written"
        if entry["version"] not in versions:
            yield place, f"line {number} is of {entry['version']}, which is not published"
        parent = str(entry["sha256"])
