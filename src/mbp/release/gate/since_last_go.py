"""What changed since the last release: contracts, rules, KPIs and dependencies."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.policy import load_policy
from mbp.contracts.registry.odcs_documents import git
from mbp.contracts.sheet import load_sheet
from mbp.core.errors import MbpError
from mbp.core.verdict import GO
from mbp.core.wording import few
from mbp.release.security.lock import read_lock

LOCK = "requirements.lock"


@dataclass(frozen=True)
class SinceLastGo:
    """Attributes:
    tag: the anchor of the last release (`mbp evidence anchor`); empty: there was none.
    changes: a sentence per part that changed.
    """

    tag: str = ""
    changes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """For people."""
        if not self.tag:
            return ["No earlier GO is anchored in this repository"]
        return [f"Since {self.tag}:", *(self.changes or ("nothing that is compared",))]


def since_last_go(root: Path, gate: str) -> SinceLastGo:
    """The differences between the commit of the last anchored GO and the working tree.

    Parts that one of the two states cannot show are named as not compared.

    Raises:
        MbpError: not a git repository.
    """
    tag = _last_anchor(root, gate)
    if tag is None:
        return SinceLastGo()
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder)
        archive = before / "tree.tar"
        git(root, "archive", "--format=tar", f"--output={archive}", tag)
        with tarfile.open(archive) as tar:
            tar.extractall(before, filter="data")
        return SinceLastGo(tag, tuple(_changes(before, root)))


def _last_anchor(root: Path, gate: str) -> str | None:
    tags = git(
        root,
        "for-each-ref",
        "--sort=-creatordate",
        "--format=%(refname:short)%09%(contents:subject)",
        f"refs/tags/anchor-{gate}-*",
    )
    entries = (line.split("\t", 1) for line in tags.splitlines())
    return next((tag for tag, subject in entries if subject.endswith(f": {GO}")), None)


def _changes(before: Path, now: Path) -> Iterator[str]:
    for name, read in PARTS.items():
        try:
            old, new = read(before), read(now)
        except MbpError as error:
            yield f"{name}: not compared ({error.what})"
            continue
        changed = [
            f"{key} {old[key]} -> {new[key]}" for key in old if new.get(key, old[key]) != old[key]
        ]
        added = [f"+{key}" for key in new if key not in old]
        removed = [f"-{key}" for key in old if key not in new]
        if changed or added or removed:
            yield f"{name}: {few([*removed, *changed, *added])}"


def _contracts(root: Path) -> Mapping[str, str]:
    return {contract.dataset: contract.version for contract in load_contracts(root)}


def _rules(root: Path) -> Mapping[str, str]:
    return {rule.id: rule.severity for rule in all_rules(load_contracts(root))}


def _kpis(root: Path) -> Mapping[str, str]:
    sheet = load_sheet(root, load_policy(root))
    return {kpi.id: f"{kpi.target}" for kpi in sheet.kpis.values()}


def _dependencies(root: Path) -> Mapping[str, str]:
    return {pinned.name: pinned.version for pinned in read_lock(root, LOCK)}


PARTS: dict[str, Callable[[Path], Mapping[str, str]]] = {
    "contracts": _contracts,
    "rules": _rules,
    "KPIs": _kpis,
    "dependencies": _dependencies,
}
