"""May the working contracts be merged? Each change judged against what was published.

A break in a direction that the dataset's mode keeps blocks, unless its one change is exempted or, for a
tightening, proven on the history. A higher version is demanded all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from semver import Version

from mbp.contracts.compatibility.change_model import CATALOGUE, Change, Compatibility
from mbp.contracts.compatibility.diff import bump_of, diff, fingerprint
from mbp.contracts.compatibility.odcs_tables import tables
from mbp.contracts.compatibility.versions import (
    BUMPS,
    demanded,
    largest,
    least_version,
    read_version,
    serves,
)
from mbp.contracts.contract_file import SUFFIX, read_document
from mbp.contracts.contract_loading import FOLDER as CONTRACTS
from mbp.contracts.document_node import DocumentNode
from mbp.contracts.exceptions import RULES as EXCEPTION_RULES
from mbp.contracts.exceptions import AllowedException, exception_findings
from mbp.contracts.published_versions import (
    Published,
    newest,
    newest_published,
    newest_release,
    subject_of,
)
from mbp.contracts.registry.life import RULES as LIFE_RULES
from mbp.contracts.registry.life import sunset_findings
from mbp.contracts.registry.proof import proof_of, provable
from mbp.contracts.registry.version_policy import EXCEPTIONS, Rules
from mbp.contracts.waiver import Waiver
from mbp.core.errors import MbpError
from mbp.core.reporting import CodeMeaning, Finding, Severity

BLOCK = "block_deploy"
WaiverOf = Callable[[str], "Waiver | None"]
STEP = re.compile(r"\[\]|\{\w*\}|[^.\[\]{}]+")
MARKS: dict[str, tuple[str, ...]] = {
    "[]": ("items",),
    "{key}": ("map", "key"),
    "{}": ("map", "value"),
}
# What entries of the lists of a contract are called by.
NAMES = ("id", "name", "property", "server", "role", "username", "channel", "type")
# Steps to an element -> its entries.
Inner = dict[tuple[str | int, ...], dict[str, DocumentNode]]
# Findings that are about another element than their subject.
ELEMENTS = {"version_too_low": "version"}


@dataclass(frozen=True)
class JudgedChange:
    """One change against one published version.

    Attributes:
        against: the version that it was compared with.
        bump: what it demands, its proof considered.
        broken: directions of the mode that it breaks, or that are unknown.
        proof: of a tightening, None when there is none.
        exception: that frees it, None when there is none.
        waiver: valid one that lets it through for a few days, None when there is none.
    """

    change: Change
    fingerprint: str
    against: str
    bump: str
    broken: tuple[str, ...]
    proof: Mapping[str, Any] | None
    exception: AllowedException | None
    waiver: Waiver | None = None

    @property
    def blocks(self) -> bool:
        """Nothing excuses the break."""
        return bool(self.broken) and not (self.proof or self.exception or self.waiver)


@dataclass(frozen=True)
class Checked:
    """One dataset.

    Attributes:
        compared: versions that were compared; the first is the latest.
        bump: over all changes since the latest version.
        least: the lowest version that the working contract may have.
        action: 'block_deploy' or 'none'.
    """

    dataset: str
    version: str
    mode: str
    compared: tuple[str, ...]
    judged: tuple[JudgedChange, ...]
    bump: str
    least: str
    findings: tuple[Finding, ...]

    @property
    def news(self) -> list[JudgedChange]:
        """What its reviewer reads, each change once: those since the latest version, and those that break an older one.

        Nothing of a dataset that is as it was published last.
        """
        since = [change for change in self.judged if change.against == self.compared[0]]
        return once([*since, *(change for change in self.judged if change.broken)] if since else [])

    @property
    def action(self) -> str:
        """What a hook does with it."""
        return BLOCK if any(finding.severity == "error" for finding in self.findings) else "none"


RULES: dict[str, CodeMeaning] = {
    **{
        code.name: CodeMeaning(code.name, code.what, code.why, "see docs/compatibility.md")
        for code in CATALOGUE.values()
    },
    **EXCEPTION_RULES,
    **LIFE_RULES,
}


def nothing_waived(_: str) -> None:
    """No change has a waiver."""


def check_dataset(
    root: Path,
    dataset: str,
    contract: Mapping[str, Any],
    versions: Sequence[Published],
    rules: Rules,
    exceptions: Sequence[AllowedException],
    today: date,
    waiver_of: WaiverOf = nothing_waived,
) -> Checked:
    """The working contract of one dataset against its published versions."""
    path = f"{CONTRACTS}/{dataset}{SUFFIX}"
    version = str(contract.get("version"))
    read = read_version(version)
    if read is None:
        raise MbpError(
            f"expected a semantic version, found {version!r}", path=path, fix="write it as 1.2.3"
        )
    head = newest(versions)
    if head is None:
        finding = Finding(
            "not_published",
            "there is no published version to compare with",
            path,
            subject=dataset,
            fix=RULES["not_published"].fix,
        )
        alone = tuple(located([finding], root / path, path))
        return Checked(dataset, version, rules.mode, (), (), "none", version, alone)
    compared = to_compare(versions, subject_of(dataset, read), rules)
    judged = [
        judged_change
        for earlier in compared
        for judged_change in _judged(root, dataset, earlier, contract, rules, exceptions, waiver_of)
    ]
    latest = [
        judged_change for judged_change in judged if judged_change.against == str(head.version)
    ]
    bump = largest([judged_change.bump for judged_change in latest])
    core = _core(judged, versions, head)
    findings = [
        _finding(judged_change, path) for judged_change in once(judged) if judged_change.broken
    ]
    if not serves(read, head.version, bump, core):
        findings.append(
            _too_low(dataset, path, read, head, least_version(head.version, bump, core), bump)
        )
    findings += sunset_findings(root, dataset, today)
    findings += exception_findings(
        [exception for exception in exceptions if exception.object == dataset],
        today,
        used={(judged_change.fingerprint, dataset) for judged_change in judged}
        | _published_with(root, dataset),
    )
    return Checked(
        dataset,
        version,
        rules.mode,
        tuple(str(earlier.version) for earlier in compared),
        tuple(judged),
        bump,
        str(least_version(head.version, bump, core)),
        tuple(located(findings, root / path, path)),
    )


def to_compare(versions: Sequence[Published], subject: str, rules: Rules) -> list[Published]:
    """The latest version and the latest release; in a transitive mode every other one of the subject. Newest first."""
    ordered = sorted(versions, key=lambda version: version.version, reverse=True)
    release = newest_release(versions)
    return [
        published
        for index, published in enumerate(ordered)
        if index == 0 or published is release or (rules.transitive and published.subject == subject)
    ]


def _published_with(root: Path, dataset: str) -> set[tuple[str, str]]:
    """The changes of the newest version: an exception for one stays in use until its last day."""
    head = newest_published(root, dataset)
    changes = head.document.get("changes", ()) if head else ()
    return {(str(change["fingerprint"]), dataset) for change in changes}


def _core(
    judged: Sequence[JudgedChange], versions: Sequence[Published], head: Published
) -> Version:
    """The release that the changes since the newest one demand; without one that of the pre-release."""
    release = newest_release(versions)
    if release is None:
        return head.version.finalize_version()
    since = [change.bump for change in judged if change.against == str(release.version)]
    return demanded(release.version, largest(since))


def _judged(
    root: Path,
    dataset: str,
    published: Published,
    contract: Mapping[str, Any],
    rules: Rules,
    exceptions: Sequence[AllowedException],
    waiver_of: WaiverOf,
) -> list[JudgedChange]:
    where = (published.path, f"{CONTRACTS}/{dataset}{SUFFIX}")
    changes = diff(published.contract, contract, rules.columns, where=where)
    table = tables(contract, where[1]).get(dataset)
    judged_changes: list[JudgedChange] = []
    for change in changes:
        print_ = fingerprint(change)
        proof = None
        if provable(change) and table is not None:
            proof = proof_of(root, dataset, change, table)
        exception = next(
            (exception for exception in exceptions if exception.key == (print_, dataset)), None
        )
        broken = tuple(
            direction
            for direction in rules.directions
            if getattr(change, direction) is not Compatibility.OK
        )
        if CATALOGUE[change.code].loosening:
            broken = ("governance",)
        judged_changes.append(
            JudgedChange(
                change,
                print_,
                str(published.version),
                bump_of(change, proven=proof is not None),
                broken,
                proof,
                exception,
                waiver_of(print_) if broken else None,
            )
        )
    return judged_changes


def once(judged: Sequence[JudgedChange]) -> list[JudgedChange]:
    """A change that breaks several versions is reported once, against the newest."""
    seen: dict[str, JudgedChange] = {}
    for judged_change in judged:
        seen.setdefault(judged_change.fingerprint, judged_change)
    return list(seen.values())


def _finding(judged_change: JudgedChange, path: str) -> Finding:
    change = judged_change.change
    broken = " and ".join(
        f"{direction.upper()} {getattr(change, direction).value}"
        if direction != "governance"
        else "governance is loosened"
        for direction in judged_change.broken
    )
    message = f"{CATALOGUE[change.code].what} {broken} against {judged_change.against}"
    message += f": {change.note}" if change.note else ""
    severity: Severity = "warning"
    fix = ""
    if judged_change.proof is not None:
        severity = "note"
        message += f"; proven on {judged_change.proof['rows_checked']:,} rows of {judged_change.proof['target']}"
    elif judged_change.exception is not None:
        entry = judged_change.exception
        message += f"; excepted until {entry.until} by {entry.owner}: {entry.reason}"
    elif judged_change.waiver is not None:
        waiver = judged_change.waiver
        message += f"; waived until {waiver.until} by {waiver.id} ({waiver.owner}): {waiver.reason}"
    else:
        severity = "error"
        fix = f"undo it, or agree on an exception for {judged_change.fingerprint} in {EXCEPTIONS}"
        if provable(change):
            dataset = Path(path).name.removesuffix(SUFFIX)
            fix = f"prove it on the history (`mbp registry prove {dataset}`), {fix}"
    return Finding(change.code, message, path, subject=change.path, fix=fix, severity=severity)


def _too_low(
    dataset: str, path: str, version: Version, head: Published, least: Version, bump: str
) -> Finding:
    what = f"{head.version} is published and the changes demand {bump}"
    if BUMPS.index(bump) == 0:
        what = f"{head.version} is published"
    return Finding(
        "version_too_low",
        f"version {version}: {what}, so at least {least}",
        path,
        subject=dataset,
        fix=f"set version: {least}",
    )


def located(findings: Iterable[Finding], contract: Path, shown_as: str) -> list[Finding]:
    """The findings; those of the contract with the line in it."""
    node, _ = read_document(contract, shown_as)
    inner: Inner = {}
    return [
        replace(finding, line=_line(node, ELEMENTS.get(finding.code, finding.subject), inner))
        if node is not None and finding.path == shown_as and finding.line is None
        else finding
        for finding in findings
    ]


def _line(node: DocumentNode, path: str, inner: Inner) -> int:
    for step in STEP.findall(path):
        if node.steps not in inner:
            inner[node.steps] = _entries(node)
        entry = inner[node.steps].get(step) or node.at(*MARKS.get(step, (step,)))
        if not entry.present:
            break
        node = entry
    return node.line or 1


def _entries(node: DocumentNode) -> dict[str, DocumentNode]:
    """What an element holds in lists, by its names; columns before all else."""
    entries: dict[str, DocumentNode] = {}
    for holder in (node.at("schema"), node.at("properties"), node):
        for entry in holder.entries():
            for name in NAMES:
                if entry.at(name).present:
                    entries.setdefault(str(entry.at(name).value), entry)
    return entries
