"""contracts/gates: what a release must show, read strictly and with line numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Protocol

from mbp.contracts.policy import load_policy
from mbp.contracts.sheet import load_sheet
from mbp.core.canonical_json import digest
from mbp.core.errors import MbpError
from mbp.core.forms import SOME, Beside, Name, Narrowed, Positive, Version, read_as
from mbp.core.gate_files import FOLDER, gates
from mbp.core.schema_check import did_you_mean, wrong_at

# The area of the checks that ask for sign-offs: they cannot be part of what is signed.
SIGN_OFF_AREA = "Sign-offs"

# Product, engineering (ST), data (DC), site reliability, front end, security and risk, integration.
ROLES = ("PO", "Eng", "Data", "SRE", "FE", "SEC", "INT")

SOURCE = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        "of": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"enum": ["source", "data"]},
        },
        "max_age_hours": {"type": "integer", "minimum": 1},
    },
}


@dataclass(frozen=True)
class CheckDefinition:
    """One line of the checklist, as it is demanded.

    Attributes:
        source: what the rule is given.
        command: what measures it, where it is not measured yet.
        evidence: files and relations that a reader may open.
        rehearsal: a rehearsal goes without it; what is judged then is no release.
        details: the command that shows what is wrong, where `command` does not.
    """

    id: Name
    area: str
    what: str
    source: Annotated[Mapping[str, Any], Narrowed(**SOURCE)]
    rule: Name
    command: str
    evidence: tuple[str, ...]
    owner: str
    waivable: bool
    no_go: bool = False
    rehearsal: bool = False
    details: str = ""


@dataclass(frozen=True)
class SignOffs:
    """Who signs: role -> what it answers for; an older sign-off is invalid."""

    max_age_hours: Positive
    owner: str
    roles: Mapping[str, str]


@dataclass(frozen=True)
class Gate:
    """A gate: the whole file.

    Attributes:
        gate: its name.
        sha256: of the file's content, comments and layout aside.
    """

    version: Version
    gate: str
    title: str
    evidence_max_age_hours: Positive
    sign_offs: SignOffs
    checks: Annotated[tuple[CheckDefinition, ...], SOME]
    path: Beside[str] = ""
    sha256: Beside[str] = ""

    def waivable(self) -> dict[str, bool]:
        """Check -> whether a waiver may cover it, for `mbp.release.waivers`."""
        return {check_definition.id: check_definition.waivable for check_definition in self.checks}


def load_gate(root: Path, name: str, rules: Mapping[str, GateRuleLike] | None = None) -> Gate:
    """The definition of a gate.

    Args:
        rules: every rule by its name; without them the rules that the checks name are not resolved.

    Raises:
        MbpError: no such gate, or its file is wrong: unknown rule, owner or KPI, a check named twice, a
            no-go that could be waived.
    """
    known = gates(root)
    if name not in known:
        fix = did_you_mean(name, list(known)) if known else "write its file, or run `mbp init`"
        raise MbpError(f"no gate {name!r}", path=FOLDER, fix=fix)
    path = known[name]
    document, gate = read_as(Gate, root, path)
    for role in gate.sign_offs.roles:
        if role not in ROLES:
            fix, node = did_you_mean(role, ROLES), document["sign_offs"]["roles"]
            raise wrong_at(node, role, path, f"no one can hold the role {role!r}", fix)
    policy = load_policy(root)
    measured = any("kpi" in check.source for check in gate.checks)
    kpis = load_sheet(root, policy).kpis if measured else {}
    seen: set[str] = set()
    for node, check in zip(document["checks"], gate.checks, strict=True):
        if check.id in seen:
            raise wrong_at(node, "id", path, f"{check.id}: appears twice here", "rename one")
        for key, what, fix in _wrong(check, rules, kpis, policy.owners):
            raise wrong_at(node, key, path, f"{check.id}: {what}", fix)
        seen.add(check.id)
    return replace(gate, sha256=digest(document))


class GateRuleLike(Protocol):
    """What a gate definition must know of a rule: the keys of `source` that it needs and that it accepts."""

    @property
    def wants(self) -> frozenset[str]: ...
    @property
    def knows(self) -> frozenset[str]: ...


def _wrong(
    check: CheckDefinition,
    rules: Mapping[str, GateRuleLike] | None,
    kpis: Collection[str],
    owners: Collection[str],
) -> Iterator[tuple[str, str, str]]:
    """(key, what is wrong with it, fix), the first one first."""
    if rules is not None:
        yield from _wrong_rule(check, rules)
    if (kpi := check.source.get("kpi")) is not None and str(kpi) not in kpis:
        yield "source", f"no KPI {kpi!r} in the measurement sheet", did_you_mean(str(kpi), kpis)
    if check.owner not in owners:
        yield "owner", f"no owner {check.owner!r}", did_you_mean(check.owner, owners)
    # Sign-offs are recognised by their area: no signature covers them.
    if check.area == SIGN_OFF_AREA:
        yield "area", "would count as a sign-off", "give it another area"
    if check.no_go and check.waivable:
        yield "waivable", "a no-go cannot be waived", "set it to false"
    if check.rehearsal and (check.waivable or check.no_go):
        fix = "set waivable to false, and leave no_go out"
        yield "rehearsal", "a rehearsal is not waived into a release", fix


def _wrong_rule(
    check: CheckDefinition, rules: Mapping[str, GateRuleLike]
) -> Iterator[tuple[str, str, str]]:
    if check.rule not in rules:
        yield "rule", f"no rule {check.rule!r}", did_you_mean(check.rule, rules)
        return
    rule = rules[check.rule]
    missing, unknown = rule.wants - check.source.keys(), check.source.keys() - rule.knows
    for key in sorted(missing or unknown):
        what = f"the rule {check.rule} {'wants' if missing else 'knows no'} source.{key}"
        yield "source", what, f"it knows {', '.join(sorted(rule.knows))}"
