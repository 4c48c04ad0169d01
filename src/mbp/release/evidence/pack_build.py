"""Builds an evidence pack: collects the members, scans them, states and signs. It is written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mbp.contracts.drafting.profile_files import own_or_default
from mbp.core.errors import MbpError
from mbp.core.gate_files import FOLDER, gate_of, gates
from mbp.core.paths import shown
from mbp.core.schema_check import TEXT, check, closed, did_you_mean
from mbp.core.wording import many
from mbp.core.yaml_io import line_of, load
from mbp.quality.privacy.privacy_policy import load_policy
from mbp.quality.privacy.scan import scan_members
from mbp.quality.privacy.scanned_parts import SensitiveValue
from mbp.release.evidence.container import write_archive
from mbp.release.evidence.makers import MAKERS, Work, as_json, files_below, relation
from mbp.release.evidence.statement import (
    EVIDENCE_GROUP,
    GATE_GROUP,
    GROUPS,
    NAME,
    PAYLOAD_TYPE,
    STATEMENT,
    Signature,
    describe,
    payload,
    pre_authentication_encoding,
    relation_path,
    write_envelope,
)
from mbp.release.gate.gate_forms import as_markdown
from mbp.release.gate.gate_report import GateReport
from mbp.release.gate.gate_run import keep, run_gate
from mbp.release.signing.signatures import fingerprint_of, sign
from mbp.runs import envelope
from mbp.runs.dbt_process import target_path
from mbp.warehouse import connect

FILE = "contracts/a110/evidence_pack.yaml"
GROUP_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
# A glob inside the project: relative, no way upwards.
GLOB = {"type": "string", "pattern": r"^(?!.*\.\.)[A-Za-z0-9_*][A-Za-z0-9_.*/-]*$"}
RELATION = {"type": "string", "pattern": "^[a-z][a-z0-9_]*[.][a-z][a-z0-9_]*$"}
SOURCES = ("files", "artifacts", "relations", "made")
SCHEMA = closed(
    {
        "version": {"const": 1},
        "groups": {
            "type": "array",
            "minItems": 1,
            "items": closed(
                {
                    "id": GROUP_NAME,
                    "what": TEXT,
                    "files": {"type": "array", "minItems": 1, "items": GLOB},
                    "artifacts": {"type": "array", "minItems": 1, "items": GLOB},
                    "relations": {"type": "array", "minItems": 1, "items": RELATION},
                    "made": {"type": "array", "minItems": 1, "items": GROUP_NAME},
                    "may_be_empty": TEXT,
                    "fix": TEXT,
                },
                optional=(*SOURCES, "may_be_empty", "fix"),
            ),
        },
    }
)


class RefusedPackError(Exception):
    """Personal data or a secret would have come into the pack.

    Args:
        findings: place, kind and masked form of each.
    """

    def __init__(self, findings: list[SensitiveValue]) -> None:
        self.findings = findings
        super().__init__(many(len(findings), "finding"))


@dataclass(frozen=True)
class Pack:
    """A pack in memory.

    Attributes:
        root: SHA-256 of the manifest, hexadecimal.
        groups: id -> how many members.
    """

    report: GateReport
    content: bytes
    root: str
    groups: Mapping[str, int]
    signed: bool


def build(root: Path, gate: str, target: str | None, key: Path | None) -> Pack:
    """Runs the gate and builds the pack of what it says, go or no-go.

    Raises:
        RefusedPackError: personal data or a secret in a member.
        MbpError: a group without members, the source changes meanwhile, or something cannot be read or signed.
    """
    report = settled(root, run_gate(root, gate, target))
    keep(root, report)
    return assemble(root, report, as_markdown(report), key)


def settled(root: Path, report: GateReport) -> GateReport:
    """The report with the time of the recorded one, when both say the same and nothing was measured since.

    The gate is always run. But a second pack of the same inputs has to be the same file, and the time in it comes
    from the decision.
    """
    try:
        recorded = envelope.read(root, f"gate_{report.gate}")
        then = datetime.fromisoformat(str(recorded.content["decided_at"]))
        at_that_time = replace(report, decided_at=then)
        if at_that_time.document() != recorded.content or then > report.decided_at:
            return report
        for name in envelope.names(root):
            if name.startswith("gate_"):
                continue
            measured = _ended_at(root, name)
            if measured is not None and measured > then:
                return report
    except (MbpError, KeyError, ValueError):
        return report  # nothing is recorded that could be held to
    return at_that_time


def _ended_at(root: Path, name: str) -> datetime | None:
    try:
        return envelope.read(root, name).ended_at
    except MbpError:
        return None  # no envelope, such as the report of a drill


def assemble(root: Path, report: GateReport, markdown: str, key: Path | None) -> Pack:
    """The pack of a report.

    Raises:
        RefusedPackError, MbpError: as `build`.
    """
    members, groups = collect(root, report, markdown)
    source = envelope.source_digest(root)
    if source != report.source:
        raise MbpError("the source changed while the pack was built", fix="build it again")
    screen(root, members)
    return seal(report, members, groups, key, gates(root).get(report.gate))


def seal(
    report: GateReport,
    members: Mapping[str, bytes],
    groups: Mapping[str, Mapping[str, Any]],
    key: Path | None,
    definition: str | None = None,
) -> Pack:
    """The pack of members that were collected: manifest, statement and signature. The same give the same bytes.

    Args:
        definition: the file of the gate; the member that defines it without one.

    Raises:
        MbpError: it cannot be signed, or a name that a pack cannot hold.
    """
    definition = definition or _definition(report.gate, members)
    whole = {**members, GROUPS: as_json({"definition": definition, "groups": groups})}
    manifest = describe(report.gate, whole)
    inputs = {*groups[GATE_GROUP]["members"], *groups[EVIDENCE_GROUP]["members"]}
    stated = payload(manifest, report.document(), definition, inputs)
    signatures = [_signature(stated, key)] if key else []
    whole[NAME] = manifest.content()
    whole[STATEMENT] = write_envelope(stated, signatures)
    try:
        content = write_archive(whole)
    except ValueError as error:
        raise MbpError(str(error), fix=f"rename it, or take it out of {FILE}") from error
    counts = {name: len(group["members"]) for name, group in groups.items()}
    return Pack(report, content, manifest.root, counts, bool(signatures))


def collect(
    root: Path, report: GateReport, markdown: str
) -> tuple[dict[str, bytes], dict[str, dict[str, Any]]]:
    """(path -> content, group -> what it is and its members). A member belongs to the first group that names it.

    Raises:
        MbpError: an entry of a group gives nothing, or something cannot be read.
    """
    groups = load_groups(root, MAKERS)
    members: dict[str, bytes] = {}
    results: dict[str, dict[str, Any]] = {}
    with connect(root, report.target, read_only=True) as warehouse:
        work = Work(root, report, markdown, warehouse)
        for group in groups:
            files = _of_group(work, group)
            own = {path: content for path, content in files.items() if path not in members}
            members.update(own)
            results[group["id"]] = {"what": group["what"], "members": sorted(own)}
            if not own:
                reason = group.get("may_be_empty", "its members are above")
                results[group["id"]]["empty_because"] = reason
    return members, results


def screen(root: Path, members: Mapping[str, bytes]) -> None:
    """Scans every member.

    Raises:
        RefusedPackError: personal data or a secret is in one.
        MbpError: one could not be scanned.
    """
    findings = scan_members(sorted(members.items()), load_policy(root))
    if findings:
        raise RefusedPackError(findings)


def _of_group(work: Work, group: Mapping[str, Any]) -> dict[str, bytes]:
    give: dict[str, Callable[[str], Mapping[str, bytes]]] = {
        "files": lambda glob: _files(work.root, work.root, glob),
        "artifacts": lambda glob: _files(work.root, target_path(work.root), glob),
        "relations": lambda name: {relation_path(name): relation(work.warehouse, name)},
        "made": lambda name: MAKERS[name](work),
    }
    results: dict[str, bytes] = {}
    for source in SOURCES:
        for name in group[source]:
            members = give[source](name)
            if not members and "may_be_empty" not in group:
                what = group["what"].rstrip(".")
                raise MbpError(
                    f"{group['id']}: {source} {name} gives nothing: {what} would be missing",
                    path=FILE,
                    line=group["line"],
                    fix=group.get("fix", "add it"),
                )
            results.update(members)
    return results


def _files(root: Path, folder: Path, glob: str) -> dict[str, bytes]:
    """Files by their path in the project. The gate's report is made again: an earlier one is left aside."""
    results: dict[str, bytes] = {}
    for path in sorted(folder.glob(glob)):
        if path.is_dir() and not path.is_symlink():
            continue
        place = shown(path.parent, root)
        if path.parent == envelope.evidence_folder(root) and path.name.startswith("gate_"):
            continue
        if Path(place).is_absolute():
            raise MbpError(
                f"{path.name} is outside of the project: the pack cannot say where",
                fix="let DBT_TARGET_PATH lead into the project",
            )
        results.update(files_below(root, f"{place}/{path.name}"))
    return results


def _definition(gate: str, members: Mapping[str, bytes]) -> str:
    for name, content in sorted(members.items()):
        if name.startswith(f"{FOLDER}/") and gate_of(content.decode("utf-8", "replace")) == gate:
            return name
    raise MbpError(f"no member defines the gate {gate}", path=FOLDER, fix="add its file to a group")


def _signature(stated: bytes, key: Path) -> Signature:
    content = pre_authentication_encoding(PAYLOAD_TYPE, stated)
    armoured = sign(content, key)
    return Signature(fingerprint_of(content, armoured), armoured)


def load_groups(root: Path, makers: Collection[str]) -> list[dict[str, Any]]:
    """The groups in the order of the file, each as the schema has it with every list of SOURCES, and its `line`.

    Args:
        makers: those that `made` may name.

    Raises:
        MbpError: the file is missing or wrong, a maker that is not there or not used, or a group that
            `mbp evidence verify` relies on is missing.
    """
    file = own_or_default(root, FILE, "evidence_pack.yaml")
    document = load(file, shown_as=FILE)
    groups: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(check(document, SCHEMA, FILE)["groups"]):
        name, line = entry["id"], line_of(document["groups"], index)
        if name in groups:
            what = f"group {name!r} appears twice"
            raise MbpError(what, path=FILE, line=line, fix="keep one of the two")
        if not any(source in entry for source in SOURCES):
            what = f"group {name!r} names no {', '.join(SOURCES)}"
            raise MbpError(what, path=FILE, line=line, fix="say what belongs to it")
        for maker in entry.get("made", ()):
            if maker not in makers:
                what, fix = f"no maker {maker!r}", did_you_mean(maker, makers)
                raise MbpError(what, path=FILE, line=line, fix=fix)
        groups[name] = {**dict.fromkeys(SOURCES, ()), **entry, "line": line}
    for name in (GATE_GROUP, EVIDENCE_GROUP):
        if "may_be_empty" in groups.get(name, {"may_be_empty": ""}):
            what = f"group {name!r} must be there and not be empty"
            raise MbpError(what, path=FILE, fix="restore it from git")
    used = {maker for group in groups.values() for maker in group["made"]}
    for maker in sorted(set(makers) - used) if file == root / FILE else ():
        what = f"the maker {maker!r} is in no group"
        raise MbpError(what, path=FILE, fix="name it under `made`")
    return list(groups.values())
