"""Is a pack what it was when it was signed, and does all that it says agree? Needs the file and ssh-keygen, no more.

This module and what it imports know no dbt, no warehouse and no project folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.release.evidence import agreement
from mbp.release.evidence.agreement import read_definition
from mbp.release.evidence.container import Opened, open_pack, read_file, safe_name
from mbp.release.evidence.statement import (
    EVIDENCE_GROUP,
    GATE_GROUP,
    GROUPS,
    STATEMENT,
    DsseEnvelope,
    Manifest,
    differing_parts,
    payload,
    read_envelope,
    report_path,
)
from mbp.release.signing.signatures import FILE as SIGNERS
from mbp.release.signing.signatures import AllowedSigners, SignatureRefused, verify_signature


@dataclass
class Verification:
    """What was found in a pack.

    Attributes:
        verdict: of the gate, as the report in the pack says.
        root: SHA-256 of the manifest.
        signers: whose word it is which keys count.
        signed_by: fingerprints of the good signatures over the statement.
        signatures: role or waiver -> state of each sign-off and approval.
        remarks: what a reader should know and is no fault.
    """

    gate: str = ""
    verdict: str = ""
    commit: str = ""
    decided_at: str = ""
    root: str = ""
    statement_sha256: str = ""
    members: int = 0
    signers: str = ""
    signed_by: list[str] = field(default_factory=list)
    signatures: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was found, and there was something to check."""
        return not self.findings and self.members > 0

    def find(self, code: str, message: str, place: str) -> None:
        """Adds a finding."""
        self.findings.append(Finding(code, message, place))


def verify(
    path: Path, *, allowed_signers: Path | None = None, allow_unsigned: bool = False
) -> Verification:
    """Checks everything in a pack.

    Args:
        allowed_signers: whose signatures count; those that the pack itself names without it.
        allow_unsigned: a pack without a signature is no finding.

    Raises:
        MbpError: the file or the signers cannot be read, the pack has an older format, or ssh-keygen cannot be run.
    """
    opened = open_pack(read_file(path))
    verification = Verification(findings=list(opened.findings), members=len(opened.members))
    if opened.manifest is None:
        return verification
    verification.gate, verification.root = opened.manifest.gate, opened.manifest.root
    report = _json(opened, report_path(opened.manifest.gate), verification)
    groups = _json(opened, GROUPS, verification)
    envelope = _envelope(opened, verification)
    if report is None or groups is None:
        return verification
    verification.findings += agreement.report_holds_together(report, opened.manifest.gate)
    verification.verdict = str(report.get("verdict"))
    verification.commit = str(report.get("commit"))
    verification.decided_at = str(report.get("decided_at"))
    _check_statement(opened.manifest, report, groups, envelope, verification)
    with TemporaryDirectory(prefix="mbp-evidence-") as name:
        folder = Path(name)
        unpack(opened, folder)
        signers = _signers(folder, allowed_signers, verification)
        if signers is not None:
            _check_words(
                opened, report, groups, envelope, (folder, signers, allow_unsigned), verification
            )
    return verification


def _check_words(
    opened: Opened,
    report: Mapping[str, Any],
    groups: Mapping[str, Any],
    envelope: DsseEnvelope | None,
    means: tuple[Path, AllowedSigners, bool],
    verification: Verification,
) -> None:
    """Signatures, and whether report, evidence, sign-offs and waivers agree."""
    folder, signers, allow_unsigned = means
    try:
        moment = datetime.fromisoformat(str(report["decided_at"]))
        if envelope is not None:
            _check_signatures(envelope, signers, moment, allow_unsigned, verification)
        verification.findings += agreement.evidence_agrees(report, opened.members, groups)
        if opened.findings:
            verification.remarks.append(
                "sign-offs and waivers were not checked: the pack was changed"
            )
            return
        path = str(groups["definition"])
        definition = read_definition(opened.members.get(path, b""), path)
        if definition is None:
            return  # reported already: it is not the one that the gate was judged by
        outcomes = verification.signatures
        verification.findings += agreement.signed_statements(
            folder, report, definition, signers, moment, outcomes
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"the report cannot be followed ({type(error).__name__}: {error})"
        verification.find("report", message, report_path(verification.gate))


def unpack(opened: Opened, folder: Path) -> None:
    """Writes the members whose names are safe into an empty folder."""
    for name, content in opened.members.items():
        path = folder / name
        if safe_name(name) and name.startswith("contracts/"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _json(opened: Opened, name: str, verification: Verification) -> Any:
    content = opened.members.get(name)
    try:
        if content is None:
            raise ValueError("it is not in the pack")
        document = json.loads(content)
        if not isinstance(document, dict):
            raise ValueError("it is not an object")
    except (ValueError, RecursionError) as error:
        verification.find("unreadable", f"cannot be read: {error}", name)
        return None
    return document


def _envelope(opened: Opened, verification: Verification) -> DsseEnvelope | None:
    content = opened.members[STATEMENT]
    verification.statement_sha256 = sha256(content).hexdigest()
    try:
        return read_envelope(content)
    except ValueError as error:
        verification.find("changed_member", str(error), STATEMENT)
        return None


def _check_statement(
    manifest: Manifest,
    report: Mapping[str, Any],
    groups: Mapping[str, Any],
    envelope: DsseEnvelope | None,
    verification: Verification,
) -> None:
    """The statement follows from the members; names the parts of the one that is there that do not."""
    try:
        inputs = {
            *groups["groups"][GATE_GROUP]["members"],
            *groups["groups"][EVIDENCE_GROUP]["members"],
        }
        wanted = payload(manifest, report, str(groups["definition"]), inputs)
    except (KeyError, TypeError, ValueError, MbpError) as error:
        message = f"no statement follows from the members ({type(error).__name__}: {error})"
        verification.find("statement", message, STATEMENT)
        return
    if envelope is not None and envelope.payload != wanted:
        message = (
            ", ".join(differing_parts(envelope.payload, wanted)) or "the same, in another form"
        )
        verification.find("statement", f"states other than its members give: {message}", STATEMENT)


def _signers(folder: Path, given: Path | None, verification: Verification) -> AllowedSigners | None:
    """Whose signatures count; None when the pack's own word on it cannot be read, which is a finding."""
    if given is None:
        verification.signers = "signers as the pack itself says"
        verification.remarks.append(
            "the pack itself says whose signatures count: give --allowed-signers from a place that you trust"
        )
        try:
            return AllowedSigners.load(folder)
        except MbpError as error:
            verification.find("signers", error.what, SIGNERS)
            return None
    if not given.is_file():
        raise MbpError("no such file", path=given, fix="name a file in the form of allowed_signers")
    verification.signers = "signers as the given file says"
    return AllowedSigners.load(given)


def _check_signatures(
    envelope: DsseEnvelope,
    signers: AllowedSigners,
    moment: datetime,
    allow_unsigned: bool,
    verification: Verification,
) -> None:
    if not envelope.signatures:
        message = "NOT SIGNED: no role is responsible for this pack"
        if allow_unsigned:
            verification.remarks.append(message)
        else:
            verification.find("not_signed", message, STATEMENT)
    keys: set[str] = set()
    for signature in envelope.signatures:
        # Nothing signs the list of signatures: anyone who has the file can repeat one.
        if signature.keyid in keys:
            message = f"the key {signature.keyid} signed more than once: it counts once"
            if message not in verification.remarks:
                verification.remarks.append(message)
            continue
        keys.add(signature.keyid)
        try:
            # Every holder of a role may sign a pack.
            good = verify_signature(
                envelope.signed_bytes, signature.armoured, None, signers, moment, moment
            )
            if good.fingerprint != signature.keyid:
                raise SignatureRefused(f"keyid says {signature.keyid}, the key is another")
        except SignatureRefused as error:
            verification.find("signature", error.reason, STATEMENT)
            continue
        verification.signed_by.append(good.fingerprint)
