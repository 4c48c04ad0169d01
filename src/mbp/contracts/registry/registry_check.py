"""The check over datasets, against the registry or a git ref; and whether what was published is still the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from mbp.contracts.compatibility.change_model import Change
from mbp.contracts.compatibility.diff import diff, fingerprint
from mbp.contracts.compatibility.versions import read_version
from mbp.contracts.policy import load_policy
from mbp.contracts.published_versions import (
    FOLDER,
    LIFE,
    Published,
    datasets,
    published,
    subject_of,
)
from mbp.contracts.registry.life import entries, in_use, retired
from mbp.contracts.registry.odcs_documents import at_ref, git, ref_of, working
from mbp.contracts.registry.proof import provable
from mbp.contracts.registry.version_check import (
    Checked,
    WaiverOf,
    check_dataset,
    nothing_waived,
    to_compare,
)
from mbp.contracts.registry.version_policy import load_exceptions, load_rules
from mbp.core.canonical_json import canonical, digest
from mbp.core.errors import MbpError
from mbp.core.paths import inside
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean


def check_all(
    root: Path,
    names: Sequence[str],
    ref: str | None,
    *,
    today: date,
    waiver_of: WaiverOf = nothing_waived,
) -> list[Checked]:
    """Each dataset checked, in the order of their names.

    Args:
        names: datasets; all without one.
        ref: a git ref whose contracts count as published; a dataset that it does not have is held to
            the registry.
        waiver_of: fingerprint -> the valid waiver of the change. Measurements take none: waived is broken.

    Raises:
        MbpError: a contract, the policy, an exception, a published version or the ref cannot be read.
    """
    contracts = working(root)
    for name in names:
        if name not in contracts:
            raise MbpError(f"no contract of {name!r}", fix=did_you_mean(name, contracts))
    rules = load_rules(root, sorted(contracts))
    exceptions = load_exceptions(root, sorted(contracts), load_policy(root))
    committed = at_ref(root, ref) if ref else None
    checkeds: list[Checked] = []
    for name in sorted(names or contracts):
        # A dataset that the ref does not have is new: what is published with it is all that it can be held to.
        versions = (
            _at(committed[name], name, ref)
            if committed and name in committed
            else in_use(root, name)
        )
        checkeds.append(
            check_dataset(
                root, name, contracts[name], versions, rules[name], exceptions, today, waiver_of
            )
        )
    if not names:
        gone = sorted(set(committed or datasets(root)) - contracts.keys())
        checkeds += [_removed(name) for name in gone if not retired(root, name)]
    return checkeds


def to_prove(root: Path, dataset: str) -> list[Change]:
    """The changes of the working contract that rows decide, against every version that `check_all` compares it with.

    Raises:
        MbpError: there is no such contract, no published version, or no such change.
    """
    contracts = working(root)
    if dataset not in contracts:
        raise MbpError(f"no contract of {dataset!r}", fix=did_you_mean(dataset, contracts))
    contract, versions = contracts[dataset], in_use(root, dataset)
    publish = f"publish it: `mbp registry publish {dataset}`"
    if not versions:
        raise MbpError(f"{dataset}: no published version to compare with", fix=publish)
    version = read_version(str(contract.get("version"))) or versions[-1].version
    rules = load_rules(root, sorted(contracts))[dataset]
    changes = {
        fingerprint(change): change
        for earlier in to_compare(versions, subject_of(dataset, version), rules)
        for change in diff(earlier.contract, contract, rules.columns)
        if provable(change)
    }
    if not changes:
        raise MbpError(f"{dataset}: no change is one that rows can prove", fix=publish)
    return list(changes.values())


def forbidden(checked: Sequence[Checked]) -> Mapping[str, Sequence[str]]:
    """Fingerprint of each change that breaks the mode of its dataset -> the datasets that carry it."""
    results: dict[str, list[str]] = {}
    for dataset in checked:
        for print_ in dict.fromkeys(
            judged.fingerprint for judged in dataset.judged if judged.broken
        ):
            results.setdefault(print_, []).append(dataset.dataset)
    return results


def _at(contract: Mapping[str, object], name: str, ref: str | None) -> list[Published]:
    """The committed contract as if it had been published."""
    version = read_version(str(contract.get("version")))
    if version is None:
        raise MbpError(f"{name} at {ref} has no semantic version", fix="compare with another ref")
    subject = subject_of(name, version)
    return [Published(name, version, subject, {"contract": contract}, "", f"{ref}:{name}")]


def _removed(name: str) -> Checked:
    finding = Finding(
        "table_removed",
        "it was published and its contract was removed: its readers find nothing",
        f"contracts/a106/{name}.odcs.yaml",
        subject=name,
        fix="restore the contract; first retire each of its versions:"
        f" `mbp registry status {name} VERSION retired --by TEAM`",
    )
    return Checked(name, "", "", (), (), "major", "", (finding,))


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
