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
from mbp.release.evidence import agreement, dsse
from mbp.release.evidence.archive import safe_name
from mbp.release.evidence.container import Opened, open_pack, read_file
from mbp.release.evidence.demanded import read_definition
from mbp.release.evidence.pack_manifest import GROUPS, STATEMENT, Manifest
from mbp.release.evidence.statement import (
    EVIDENCE_GROUP,
    GATE_GROUP,
    differing_parts,
    payload,
    report_path,
)
from mbp.release.signing import AllowedSigners, SignatureRefused, verify_signature
from mbp.release.signing.signers import FILE as SIGNERS


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
        """Whether nothing was found, and there was something to look at."""
        return not self.findings and self.members > 0


def verify(
    path: Path, *, allowed_signers: Path | None = None, allow_unsigned: bool = False
) -> Verification:
    """Looks at everything in a pack.

    Args:
        allowed_signers: whose signatures count; those that the pack itself names without it.
        allow_unsigned: a pack without a signature is no finding.

    Raises:
        MbpError: the file or the signers cannot be read, the pack has an older format, or ssh-keygen cannot be run.
    """
    opened = open_pack(read_file(path))
    found = Verification(findings=list(opened.findings), members=len(opened.members))
    if opened.manifest is None:
        return found
    found.gate, found.root = opened.manifest.gate, opened.manifest.root
    report = _json(opened, report_path(opened.manifest.gate), found)
    groups = _json(opened, GROUPS, found)
    envelope = _envelope(opened, found)
    if report is None or groups is None:
        return found
    found.findings += agreement.report_holds_together(report, opened.manifest.gate)
    found.verdict, found.commit = str(report.get("verdict")), str(report.get("commit"))
    found.decided_at = str(report.get("decided_at"))
    _check_statement(opened.manifest, report, groups, envelope, found)
    with TemporaryDirectory(prefix="mbp-evidence-") as name:
        folder = Path(name)
        unpack(opened, folder)
        signers = _signers(folder, allowed_signers, found)
        if signers is not None:
            _check_words(opened, report, groups, envelope, (folder, signers, allow_unsigned), found)
    return found


def _check_words(
    opened: Opened,
    report: Mapping[str, Any],
    groups: Mapping[str, Any],
    envelope: dsse.DsseEnvelope | None,
    means: tuple[Path, AllowedSigners, bool],
    found: Verification,
) -> None:
    """Signatures, and whether report, evidence, sign-offs and waivers agree."""
    folder, signers, allow_unsigned = means
    try:
        moment = datetime.fromisoformat(str(report["decided_at"]))
        if envelope is not None:
            _check_signatures(envelope, signers, moment, allow_unsigned, found)
        found.findings += agreement.evidence_agrees(report, opened.members, groups)
        if opened.findings:
            found.remarks.append("sign-offs and waivers were not looked at: the pack was changed")
            return
        path = str(groups["definition"])
        definition = read_definition(opened.members.get(path, b""), path)
        if definition is None:
            return  # told already: it is not the one that the gate was judged by
        statements = agreement.signed_statements(folder, report, definition, signers, moment)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"the report cannot be followed ({type(error).__name__}: {error})"
        found.findings.append(Finding("report", told, report_path(found.gate)))
        return
    found.signatures = statements.told
    found.findings += statements.findings


def unpack(opened: Opened, folder: Path) -> None:
    """Writes the members whose names are safe into an empty folder."""
    for name, content in opened.members.items():
        path = folder / name
        if safe_name(name) and name.startswith("contracts/"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _json(opened: Opened, name: str, found: Verification) -> Any:
    content = opened.members.get(name)
    try:
        if content is None:
            raise ValueError("it is not in the pack")
        document = json.loads(content)
        if not isinstance(document, dict):
            raise ValueError("it is no object")
    except (ValueError, RecursionError) as error:
        found.findings.append(Finding("unreadable", f"cannot be read: {error}", name))
        return None
    return document


def _envelope(opened: Opened, found: Verification) -> dsse.DsseEnvelope | None:
    content = opened.members[STATEMENT]
    found.statement_sha256 = sha256(content).hexdigest()
    try:
        return dsse.read(content)
    except ValueError as error:
        found.findings.append(Finding("changed_member", str(error), STATEMENT))
        return None


def _check_statement(
    manifest: Manifest,
    report: Mapping[str, Any],
    groups: Mapping[str, Any],
    envelope: dsse.DsseEnvelope | None,
    found: Verification,
) -> None:
    """The statement follows from the members; names the parts of the one that is there that do not."""
    try:
        inputs = {
            *groups["groups"][GATE_GROUP]["members"],
            *groups["groups"][EVIDENCE_GROUP]["members"],
        }
        wanted = payload(manifest, report, str(groups["definition"]), inputs)
    except (KeyError, TypeError, ValueError, MbpError) as error:
        told = f"no statement follows from the members ({type(error).__name__}: {error})"
        found.findings.append(Finding("statement", told, STATEMENT))
        return
    if envelope is not None and envelope.payload != wanted:
        told = ", ".join(differing_parts(envelope.payload, wanted)) or "the same, in another form"
        found.findings.append(
            Finding("statement", f"states other than its members give: {told}", STATEMENT)
        )


def _signers(folder: Path, given: Path | None, found: Verification) -> AllowedSigners | None:
    """Whose signatures count; None when the pack's own word on it cannot be read, which is a finding."""
    if given is None:
        found.signers = "signers as the pack itself says"
        found.remarks.append(
            "the pack itself says whose signatures count: give --allowed-signers from a place that you trust"
        )
        try:
            return AllowedSigners.load(folder)
        except MbpError as error:
            found.findings.append(Finding("signers", error.what, SIGNERS))
            return None
    if not given.is_file():
        raise MbpError(
            "no such file", path=given, cure="name a file in the form of allowed_signers"
        )
    found.signers = "signers as the given file says"
    return AllowedSigners.load(given)


def _check_signatures(
    envelope: dsse.DsseEnvelope,
    signers: AllowedSigners,
    moment: datetime,
    allow_unsigned: bool,
    found: Verification,
) -> None:
    if not envelope.signatures:
        told = "NOT SIGNED: nobody stands for this pack"
        if allow_unsigned:
            found.remarks.append(told)
        else:
            found.findings.append(Finding("not_signed", told, STATEMENT))
    keys: set[str] = set()
    for one in envelope.signatures:
        # Nothing signs the list of signatures: whoever has the file can repeat one.
        if one.keyid in keys:
            told = f"the key {one.keyid} signed more than once: it counts once"
            if told not in found.remarks:
                found.remarks.append(told)
            continue
        keys.add(one.keyid)
        try:
            # Whoever holds a role may sign a pack.
            good = verify_signature(
                envelope.signed_bytes, one.armoured, None, signers, moment, moment
            )
            if good.fingerprint != one.keyid:
                raise SignatureRefused(f"keyid says {one.keyid}, the key is another")
        except SignatureRefused as error:
            found.findings.append(Finding("signature", error.reason, STATEMENT))
            continue
        found.signed_by.append(good.fingerprint)
