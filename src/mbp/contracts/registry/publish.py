"""Publishes the working contract of a dataset as an immutable version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from semver import Version

from mbp.contracts import load_contracts
from mbp.contracts.compatibility.diff import diff, fingerprint
from mbp.contracts.compatibility.odcs_tables import tables
from mbp.contracts.compatibility.versions import read_version
from mbp.contracts.exceptions import AllowedException
from mbp.contracts.published_versions import Published, newest, published, subject_of, write_version
from mbp.contracts.registry.avro import avro_schema
from mbp.contracts.registry.json_schema import json_schema
from mbp.contracts.registry.life import in_use
from mbp.contracts.registry.odcs_documents import git, working
from mbp.contracts.registry.proof import proof_of, provable
from mbp.contracts.registry.version_check import check_dataset
from mbp.contracts.registry.version_policy import Rules
from mbp.contracts.rule_ids import KEY, to_record
from mbp.core.canonical_json import digest
from mbp.core.errors import MbpError
from mbp.core.paths import shown

NAMESPACE = "mbp"


@dataclass(frozen=True)
class PublishOutcome:
    """What became of one dataset: `unchanged`, or where its version was published."""

    version: Version
    subject: str
    what: str


def publish(
    root: Path,
    dataset: str,
    *,
    publisher: str,
    today: date,
    rules: Rules,
    exceptions: Sequence[AllowedException],
) -> PublishOutcome:
    """Publishes the dataset's working contract; the same contract again changes nothing.

    Raises:
        MbpError: other content under a published version, a change that the check blocks, or a
            contract that cannot be loaded.
    """
    contracts = {contract.dataset: contract for contract in load_contracts(root)}
    documents = working(root)
    if dataset not in documents or dataset not in contracts:
        raise MbpError(f"no contract of {dataset!r}", fix=f"one of {', '.join(sorted(documents))}")
    contract = documents[dataset]
    version = read_version(str(contract["version"]))
    if version is None:
        raise MbpError(
            f"{dataset}: {contract['version']!r} is not a semantic version", fix="write it as 1.2.3"
        )
    known = published(root, dataset)
    for earlier in known:
        if earlier.version == version:
            return _again(earlier, contract)
    if known:
        checked = check_dataset(
            root, dataset, contract, in_use(root, dataset), rules, exceptions, today
        )
        errors = [finding for finding in checked.findings if finding.severity == "error"]
        if errors:
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            raise MbpError(
                f"{dataset} {version} may not be published: {errors[0].subject}:"
                f" {errors[0].message}{more}",
                fix=errors[0].fix or "see `mbp contracts check`",
            )
    parent = newest(known)
    rule_ids = to_record(contracts[dataset], parent)
    document = _document(root, dataset, contract, version, parent, rule_ids, publisher, today)
    path = write_version(root, document)
    return PublishOutcome(version, document["subject"], f"published as {shown(path, root)}")


def _again(version: Published, contract: Mapping[str, Any]) -> PublishOutcome:
    # The same in other words is the same: a type that a contract no longer states because it follows from another.
    if digest(version.contract) != digest(contract) and diff(version.contract, contract):
        what = f"{version.dataset} {version.version} is published with other content"
        fix = "raise the version; what was published is never changed"
        raise MbpError(what, path=version.path, fix=fix)
    return PublishOutcome(version.version, version.subject, "unchanged")


def _document(
    root: Path,
    dataset: str,
    contract: Mapping[str, Any],
    version: Version,
    parent: Published | None,
    rule_ids: Mapping[str, str],
    publisher: str,
    today: date,
) -> dict[str, Any]:
    table = tables(contract, dataset)[dataset]
    changes: list[dict[str, Any]] = []
    proofs: list[Mapping[str, Any]] = []
    for change in diff(parent.contract, contract) if parent else []:
        changes.append(
            {
                "fingerprint": fingerprint(change),
                "code": change.code,
                "path": change.path,
                "backward": change.backward.value,
                "forward": change.forward.value,
            }
        )
        proof = proof_of(root, dataset, change, table) if provable(change) else None
        proofs += [proof] if proof else []
    subject = subject_of(dataset, version)
    return {
        "dataset": dataset,
        "subject": subject,
        "version": str(version),
        "publisher": publisher,
        "published_on": today.isoformat(),
        "commit": git(root, "rev-parse", "HEAD").strip(),
        "parent": {"version": str(parent.version), "sha256": parent.sha256} if parent else None,
        "contract": contract,
        "contract_sha256": digest(contract),
        "json_schema": json_schema(table, f"urn:mbp:schema:{dataset}:{version}"),
        "avro_schema": avro_schema(table, f"{NAMESPACE}.v{version.major}"),
        KEY: rule_ids,
        "changes": changes,
        "proofs": proofs,
    }
