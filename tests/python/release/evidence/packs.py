"""A small release that is a go, made by hand, and the pack of it; tests take packs apart and put them together."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from mbp.contracts.gates import SIGN_OFF_AREA
from mbp.contracts.waiver import APPROVERS, Waiver, read_waiver
from mbp.core.canonical_json import canonical, digest
from mbp.core.yaml_io import loads, plain
from mbp.release.evidence.container import read_archive, write_archive
from mbp.release.evidence.pack_build import Pack, seal
from mbp.release.evidence.statement import NAME, STATEMENT, describe
from mbp.release.gate.gate_report import CheckResult, GateReport
from mbp.release.gate.signoffs import FOLDER, sign_off
from mbp.release.signing.statements import write_statement
from mbp.runs.envelope import VERSION
from tests.python.measured import passed as content_that_passed
from tests.python.signing_keys import Keys, demand_openssh

DEFINITION_TEXT = """\
# What a release must show.
gate: M2
evidence_max_age_hours: 24
sign_offs: {roles: {PO: product, Eng: engineering, Data: data, SRE: operations}}
checks:
  - {id: dbt_build, area: Data, what: dbt_build holds, owner: DATA, waivable: false, rule: passed_evidence,
     source: {evidence: build, of: [source, data]}}
  - {id: latency, area: Data, what: latency holds, owner: DATA, waivable: false, rule: on_target,
     source: {kpi: dec_p95}}
  - {id: waivers_valid, area: Data, what: waivers_valid holds, owner: DATA, waivable: false, rule: waivers_valid,
     source: {contracts: contracts/waivers}}
  - {id: documentation, area: Data, what: documentation holds, owner: DATA, waivable: true, rule: documented,
     source: {artifacts: []}}
"""
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ROLES = ("PO", "Eng", "Data", "SRE")
DEFINITION = "contracts/gates/m2_pre_ga.yaml"
SIGNERS = "contracts/gates/allowed_signers"
SOURCE, DATA, COMMIT = "5" * 64, "d" * 64, "c" * 40
WAREHOUSE = "warehouse"
WAIVER = """\
version: 1
id: late_docs
code: gate_check
object: documentation
reason: Two columns came in late.
owner: DATA
risk: {level: low, text: Readers ask.}
opened: 2026-03-01
until: 2026-03-10
findings: 2
rollback: {plan: Take the columns out., exercise: contract_break}
"""


def allowed(folder: Path, roles: tuple[str, ...] = ROLES) -> str:
    """The file that lets each key stand for its role; a key that is not there yet is made."""
    return "".join(Keys(folder).line(role, role) for role in roles)


def check(name: str, **changes: Any) -> CheckResult:
    passed = CheckResult(
        name, "Data", f"{name} holds", "pass", "it holds", "1", [], "DATA", False, False
    )
    return replace(passed, **changes)


@dataclass(frozen=True)
class Release:
    """Members by path, as a builder would collect them."""

    root: Path
    keys: Path
    report: GateReport
    members: Mapping[str, bytes]
    groups: Mapping[str, Mapping[str, Any]]

    def pack(self, key: str | None = "SRE") -> Pack:
        return seal(self.report, self.members, self.groups, self.keys / key if key else None)


def measured(name: str, /, **changes: Any) -> bytes:
    document = {
        "version": VERSION,
        "name": name,
        "began_at": NOW.isoformat(),
        "ended_at": NOW.isoformat(),
        "commit": COMMIT,
        "clean": True,
        "source": SOURCE,
        "source_after": SOURCE,
        "target": "duckdb",
        "warehouse": WAREHOUSE,
        "data": DATA,
        "invocation": "run",
        "nodes": {"covered": 238, "demanded": 238, "digest": "0"},
        "verdict": "pass",
        "summary": "as it should be",
        "content": content_that_passed(name),
    }
    return json.dumps({**document, **changes}).encode()


def make_release(folder: Path) -> Release:
    """Everything signed as it has to be."""
    root, keys = folder / "project", folder / "keys"
    demand_openssh()
    keys.mkdir(parents=True)
    files = {
        DEFINITION: DEFINITION_TEXT,
        SIGNERS: allowed(keys),
        "contracts/waivers/late_docs.yaml": WAIVER,
        "contracts/a106/quotes.odcs.yaml": "name: quotes\n" * 50,
        "docs/adr/001.md": "# Latency\n",
        "docs/runbooks/cdc_lag.md": "# Lag\n" * 30,
        "docs/pre_ga_plan.md": "# Plan\n",
        "observability/grafana/DEC.json": '{"panels": []}',
        "target/manifest.json": json.dumps({"nodes": list(range(2000))}),
        "contracts/registry_heads.json": "[]",
        "contracts/drift.json": '{"drift": 0}',
        "quality/newest_results.csv": "rule_id,verdict\nquotes_key,pass\n",
        "relations/reliability.kpi_windows.csv": "kpi_id,value\ndec_p95,512.5\n" * 20,
        "relations/reliability.hook_events.csv": "event_id\n",
        "kpis/dec_p95.svg": "<svg></svg>",
        "traces/slowest_decisions.csv": "trace_id\n" + "a" * 32 + "\n",
        "state.json": json.dumps({"commit": COMMIT}),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    waiver = read_waiver(root / "contracts/waivers/late_docs.yaml", root)
    assert isinstance(waiver, Waiver), waiver
    for role in APPROVERS:
        place, moment = waiver.signatures(root), NOW - timedelta(hours=3)
        write_statement(
            root, place, "waiver-approval", waiver.signed_content, role, keys / role, moment
        )
    report = make_report()
    for role in ROLES:
        sign_off(root, report.document(), role, keys / role, NOW - timedelta(hours=1))
    members = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
    document = json.dumps(report.document(), indent=2, sort_keys=True)
    members["gate/M2.json"] = document.encode()
    members["gate/M2.md"] = b"# go\n"
    members["target/evidence/build.json"] = measured("build")
    members["target/evidence/sbom.cdx.json"] = b'{"bomFormat": "CycloneDX"}'
    return Release(root, keys, report, members, group(members))


def group(members: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """The groups that a verifier knows by name, and the rest."""
    named = {
        "gate": [name for name in members if name.startswith("gate/")],
        "evidence": [name for name in members if name.startswith("target/evidence/")],
    }
    taken = {name for names in named.values() for name in names}
    named["rest"] = [name for name in members if name not in taken]
    return {key: {"what": key, "members": sorted(names)} for key, names in named.items()}


def make_report() -> GateReport:
    signed = [
        check(
            f"sign_off_{role}",
            area=SIGN_OFF_AREA,
            evidence=[f"{FOLDER}/M2/{role}.json", SIGNERS],
        )
        for role in ROLES
    ]
    return GateReport(
        gate="M2",
        title="Pre-GA",
        decided_at=NOW,
        commit=COMMIT,
        clean=True,
        source=SOURCE,
        target="duckdb",
        warehouse=WAREHOUSE,
        data=DATA,
        basis="the committed sample; DuckDB; 1 of 1 error rules measured",
        since=(),
        definition_sha256=digest(plain(loads(DEFINITION_TEXT, shown_as=DEFINITION))),
        results=(
            check("dbt_build", evidence=["target/evidence/build.json", "target/manifest.json"]),
            check("latency", evidence=["reliability.kpi_windows"]),
            check("waivers_valid", evidence=["contracts/waivers"]),
            check(
                "documentation",
                verdict="waived",
                waivable=True,
                waiver="late_docs",
                waived_until=date(2026, 3, 10),
                findings=2,
            ),
            *signed,
        ),
    )


def members_of(content: bytes) -> dict[str, bytes]:
    return read_archive(content).contents


def start_of(content: bytes, name: str) -> int:
    """Offset of its first byte in the file."""
    return zipfile.ZipFile(io.BytesIO(content)).getinfo(name).header_offset + 30 + len(name)


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def changed(content: bytes, change: Callable[[dict[str, bytes]], object]) -> bytes:
    """The pack with other members, and nothing else made right."""
    members = members_of(content)
    change(members)
    return write_archive(members)


def made_right(members: dict[str, bytes]) -> None:
    """The manifest follows the members again; the statement stays what it was."""
    members[NAME] = describe("M2", members).content()


def restated(members: dict[str, bytes], change: Callable[[dict[str, Any]], object]) -> None:
    """Another payload in the envelope, its signatures kept."""
    envelope = json.loads(members[STATEMENT])
    statement = json.loads(base64.b64decode(envelope["payload"]))
    change(statement)
    envelope["payload"] = base64.b64encode(canonical(statement)).decode()
    members[STATEMENT] = canonical(envelope)
