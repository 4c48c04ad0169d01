"""The check over datasets: against the registry, or against the contracts of a git ref."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from mbp.contracts.compatibility.change_model import Change
from mbp.contracts.compatibility.diff import diff, fingerprint
from mbp.contracts.compatibility.versions import read_version
from mbp.contracts.policy import load_policy
from mbp.contracts.published_versions import Published, datasets, subject_of
from mbp.contracts.registry.life import in_use, retired
from mbp.contracts.registry.odcs_documents import at_ref, working
from mbp.contracts.registry.proof import provable
from mbp.contracts.registry.version_check import (
    Checked,
    WaiverOf,
    check_dataset,
    nothing_waived,
    to_compare,
)
from mbp.contracts.registry.version_policy import load_exceptions, load_rules
from mbp.core.errors import MbpError
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
