"""Whether everything that was published is still what it was."""

from __future__ import annotations

from pathlib import Path

from mbp.contracts.registry.integrity import problems
from mbp.contracts.registry.odcs_documents import git, ref_of
from mbp.contracts.registry.store import FOLDER, datasets, published
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
