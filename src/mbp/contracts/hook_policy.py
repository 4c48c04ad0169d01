"""contracts/a110/hooks.yaml together with the measurement sheet: which hook does what, when and for whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from mbp.contracts.policy import load_policy
from mbp.contracts.sheet import SHEET, Kpi, Sheet, load_sheet
from mbp.core.canonical_json import digest
from mbp.core.forms import SOME, SOME_KEYS, Name, Positive, Version, read_as, schema_of
from mbp.core.paths import is_file_inside
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean, violations
from mbp.core.site_pages import page_url, site_address
from mbp.core.verdict import COMPARISONS
from mbp.core.yaml_io import line_of

HOOKS = "contracts/a110/hooks.yaml"
RELIABILITY_MODELS = "models/marts/reliability"

Limit = Literal["rollback_start_seconds", "cdc_recovery_seconds", "lock_max_age_hours"]


@dataclass(frozen=True)
class HookEntry:
    """A hook as the file has it: `kpi` is the name of one."""

    id: Name
    kpi: Name
    entities: Literal["all", "each"]
    for_windows: Positive
    severity: Literal["page", "ticket"]
    must_have: bool
    rollback: str
    runbook: str
    evidence: Annotated[tuple[str, ...], SOME]


@dataclass(frozen=True)
class HookFile:
    """The whole file. Each hook is checked by itself: a mistake in one must not silence the others."""

    version: Version
    routes: Annotated[Mapping[str, Mapping[Literal["receiver"], str]], SOME_KEYS]
    limits: Mapping[Limit, Positive]
    hooks: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Hook:
    """One hook, with its KPI.

    Attributes:
        entities: 'all' for the KPI as a whole, 'each' for every entity by itself.
        for_windows: windows in a row that must be a breach.
        definition_hash: SHA-256 of the hook and of its KPI; a changed definition is a new hook.
        runbook_url: its page (`mbp.core.site_pages.page_url`).
    """

    id: str
    kpi: Kpi
    entities: str
    for_windows: int
    severity: str
    must_have: bool
    rollback: str
    runbook: str
    evidence: tuple[str, ...]
    receiver: str
    definition_hash: str
    runbook_url: str

    @property
    def measuring_command(self) -> str:
        """What measures the KPI again, when its data is missing."""
        return "mbp build" if self.kpi.window_minutes else "mbp kpi collect"

    @property
    def owner(self) -> str:
        """The team that answers."""
        return self.kpi.owners[0]

    @property
    def rolls_back(self) -> bool:
        """Whether the limits of a rollback hold for it."""
        return bool({"rollback", "rollback_fe"} & set(self.kpi.actions))

    @property
    def action(self) -> str:
        """The actions as the sheet writes them."""
        return self.kpi.hook


@dataclass(frozen=True)
class HookPolicy:
    """Every valid hook by id, and what is wrong with the others.

    Attributes:
        hash: SHA-256 of sheet and hooks: two runs with the same one follow the same rules.
    """

    sheet: Sheet
    hooks: Mapping[str, Hook]
    receivers: Mapping[str, str]
    limits: Mapping[Limit, int]
    findings: Sequence[Finding]
    hash: str


def load_hooks(root: Path) -> HookPolicy:
    """Reads sheet and hooks; a wrong hook becomes a finding and is left out.

    Raises:
        MbpError: one of the files cannot be read, or is wrong as a whole.
    """
    sheet = load_sheet(root, load_policy(root))
    document, form = read_as(HookFile, root, HOOKS)
    receivers = {owner: route["receiver"] for owner, route in form.routes.items()}
    address = site_address(root)
    hooks: dict[str, Hook] = {}
    findings: list[Finding] = []
    watched: dict[str, str] = {}
    for number, (node, entry) in enumerate(zip(document["hooks"], form.hooks, strict=True), 1):
        name = str(entry.get("id", f"entry {number}"))
        wrong = list(_wrong(root, node, entry, sheet, receivers))
        if name in hooks:
            wrong.append(_finding("hook_twice", node, "id", name, "the id appears twice"))
        elif entry.get("kpi") in watched:
            what = f"the KPI {entry['kpi']} already has the hook {watched[entry['kpi']]}"
            wrong.append(_finding("kpi_twice", node, "kpi", name, what, "keep one of them"))
        findings += wrong
        if not wrong:
            kpi = sheet.kpis[entry["kpi"]]
            hooks[name] = Hook(
                **{**entry, "kpi": kpi, "evidence": tuple(entry["evidence"])},
                receiver=receivers[kpi.owners[0]],
                definition_hash=digest([entry, _facts(kpi), asdict(sheet.parameters)]),
                runbook_url=page_url(address, entry["runbook"]),
            )
            watched[kpi.id] = name
    for kpi in sheet.kpis.values():
        if kpi.id not in watched:
            what = "no valid hook watches the KPI: a breach would make nothing happen"
            fix = f"add a hook with `kpi: {kpi.id}` to {HOOKS}, or correct the one that is wrong"
            findings.append(Finding("kpi_without_hook", what, SHEET, kpi.line, kpi.id, fix))
    facts = [_facts(kpi) for kpi in sheet.kpis.values()]
    whole = digest([facts, asdict(sheet.parameters), document])
    return HookPolicy(sheet, hooks, receivers, form.limits, findings, whole)


def demand_whole(policy: HookPolicy) -> HookPolicy:
    """The policy, when nothing is wrong with it.

    Raises:
        MbpError: the first finding.
    """
    for finding in policy.findings:
        raise finding.as_error
    return policy


def _facts(kpi: Kpi) -> dict[str, Any]:
    """The KPI without its place in the file, which means nothing."""
    return {name: value for name, value in asdict(kpi).items() if name != "line"}


def _wrong(
    root: Path,
    node: Any,
    entry: Mapping[str, Any],
    sheet: Sheet,
    receivers: Mapping[str, str],
) -> Iterator[Finding]:
    name = str(entry.get("id", "?"))
    broken = violations(node, schema_of(HookEntry))
    for schema_violation in broken:
        what, line, fix = schema_violation.what, schema_violation.line, schema_violation.fix
        yield Finding("hook_form", what, HOOKS, line, name, fix or "")
    if broken:
        return
    if entry["kpi"] not in sheet.kpis:
        what = f"the KPI {entry['kpi']!r} is not in the measurement sheet"
        fix = did_you_mean(entry["kpi"], sheet.kpis)
        yield _finding("hook_without_kpi", node, "kpi", name, what, fix)
        return
    for owner in sheet.kpis[entry["kpi"]].owners:
        if owner not in receivers:
            what = f"the owner {owner} has no route: no one would be notified of the decision"
            fix = f"add {owner} to `routes`"
            yield _finding("owner_without_route", node, "kpi", name, what, fix)
    if not is_file_inside(root, entry["runbook"]):
        what = f"the runbook {entry['runbook']} does not exist"
        fix = "write it, or correct the path"
        yield _finding("runbook_missing", node, "runbook", name, what, fix)
    for relation in entry["evidence"]:
        schema, _, model = relation.partition(".")
        known = {file.stem for file in (root / RELIABILITY_MODELS).glob("*.sql")}
        if schema != "reliability" or model not in known:
            what = f"the evidence {relation} is no model"
            fix = did_you_mean(relation, {f"reliability.{table}" for table in known})
            yield _finding("evidence_missing", node, "evidence", name, what, fix)


def _finding(
    code: str, node: Any, key: str, name: str, what: str, fix: str = "keep one"
) -> Finding:
    return Finding(code, what, HOOKS, line_of(node, key), name, fix)


def on_target(kpi: Kpi, value: float | None) -> bool:
    """False for a missed target and for no value."""
    return value is not None and COMPARISONS[kpi.operator](value, kpi.bound)


def rows(policy: HookPolicy) -> list[dict[str, str]]:
    """Every valid hook with all its facts, in the order of the file."""
    return [
        {
            "hook": hook.id,
            "kpi": hook.kpi.id,
            "threshold": hook.kpi.target,
            "window": hook.kpi.window,
            "entities": hook.entities,
            "for_windows": str(hook.for_windows),
            "watcher": hook.kpi.watcher,
            "action": hook.action,
            "owner": hook.kpi.owner,
            "route": hook.receiver,
            "severity": hook.severity,
            "must_have": "yes" if hook.must_have else "no",
            "rollback": hook.rollback,
            "runbook": hook.runbook,
            "evidence": ", ".join(hook.evidence),
        }
        for hook in policy.hooks.values()
    ]
