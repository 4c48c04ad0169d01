"""The check over datasets: against the registry, or against the contracts of a git ref."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from mbp.compatibility.versions import Version
from mbp.contracts.policy import load_policy
from mbp.contracts.schema_check import did_you_mean
from mbp.errors import MbpError
from mbp.registry.check import Checked, check_dataset
from mbp.registry.documents import at_ref, working
from mbp.registry.policy import load_exemptions, load_rules
from mbp.registry.store import Published, datasets, published, subject_of
from mbp.reporting import Finding


def check_all(root: Path, names: Sequence[str], ref: str | None, *, today: date) -> list[Checked]:
    """Each dataset checked, in the order of their names.

    Args:
        names: datasets; all without one.
        ref: a git ref whose contracts stand for what was published.

    Raises:
        MbpError: a contract, the policy, an exemption, a published version or the ref cannot be read.
    """
    contracts = working(root)
    for name in names:
        if name not in contracts:
            raise MbpError(f"no contract of {name!r}", cure=did_you_mean(name, contracts))
    rules = load_rules(root, sorted(contracts))
    exemptions = load_exemptions(root, sorted(contracts), load_policy(root))
    committed = at_ref(root, ref) if ref else None
    found: list[Checked] = []
    for name in sorted(names or contracts):
        versions = (
            published(root, name) if committed is None else _at(committed.get(name), name, ref)
        )
        found.append(
            check_dataset(root, name, contracts[name], versions, rules[name], exemptions, today)
        )
    if not names:
        gone = sorted(set(committed or datasets(root)) - contracts.keys())
        found += [_removed(name) for name in gone]
    return found


def _at(contract: dict[str, object] | None, name: str, ref: str | None) -> list[Published]:
    """The committed contract as if it had been published."""
    if contract is None:
        return []
    version = Version.read(str(contract.get("version")))
    if version is None:
        raise MbpError(f"{name} at {ref} has no semantic version", cure="compare with another ref")
    subject = subject_of(name, version)
    return [Published(name, version, subject, {"contract": contract}, "", f"{ref}:{name}")]


def _removed(name: str) -> Checked:
    finding = Finding(
        "table_removed",
        "error",
        f"contracts/a106/{name}.odcs.yaml",
        None,
        name,
        "it was published and its contract is gone: its readers find nothing",
        "restore the contract; retire the dataset with `mbp registry status` first",
    )
    return Checked(name, "", "", (), (), "major", "", (finding,))
