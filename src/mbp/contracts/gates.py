"""contracts/gates: what a release must show, read strictly and with line numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mbp.contracts.hook_policy import digest
from mbp.contracts.policy import load_policy
from mbp.contracts.sheet import NAME, load_sheet
from mbp.core.errors import MbpError
from mbp.core.gate_files import FOLDER, gates
from mbp.core.schema_check import TEXT, check, closed, did_you_mean
from mbp.core.yaml_io import line_of, load

# The area of the checks that ask for sign-offs: they cannot be part of what is signed.
SIGN_OFF_AREA = "Sign-offs"


# Product, engineering (ST), data (DC), site reliability, front end, security and risk, integration.
ROLES = ("PO", "Eng", "Data", "SRE", "FE", "SEC", "INT")


HOURS = {"type": "integer", "minimum": 1}


TEXTS = {"type": "array", "items": TEXT}


CHECK = closed(
    {
        "id": NAME,
        "area": TEXT,
        "what": TEXT,
        "source": {
            "type": "object",
            "minProperties": 1,
            "properties": {
                "of": {
                    "type": "array",
                    "minItems": 1,
                    "uniqueItems": True,
                    "items": {"enum": ["source", "data"]},
                },
                "max_age_hours": HOURS,
            },
        },
        "rule": NAME,
        "command": TEXT,
        "evidence": TEXTS,
        "owner": TEXT,
        "waivable": {"type": "boolean"},
        "no_go": {"type": "boolean"},
        "rehearsal": {"type": "boolean"},
        "details": TEXT,
    },
    optional=("no_go", "rehearsal", "details"),
)


SCHEMA = closed(
    {
        "version": {"const": 1},
        "gate": TEXT,
        "title": TEXT,
        "evidence_max_age_hours": HOURS,
        "sign_offs": closed(
            {
                "max_age_hours": HOURS,
                "owner": TEXT,
                "roles": {"type": "object", "additionalProperties": TEXT},
            }
        ),
        "checks": {"type": "array", "minItems": 1, "items": CHECK},
    }
)


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

    id: str
    area: str
    what: str
    source: Mapping[str, Any]
    rule: str
    command: str
    evidence: Sequence[str]
    owner: str
    waivable: bool
    no_go: bool = False
    rehearsal: bool = False
    details: str = ""


@dataclass(frozen=True)
class Gate:
    """A gate as it is defined.

    Attributes:
        roles: role -> what it answers for; each of them signs.
        sign_off_max_age_hours: an older sign-off is invalid.
        sha256: of the file's content, comments and layout aside.
    """

    name: str
    title: str
    path: str
    evidence_max_age_hours: int
    roles: Mapping[str, str]
    sign_off_max_age_hours: int
    sign_off_owner: str
    checks: Sequence[CheckDefinition]
    sha256: str

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
    document = load(root / path, shown_as=path)
    value = check(document, SCHEMA, path)
    strange = [role for role in value["sign_offs"]["roles"] if role not in ROLES]
    if strange:
        what = f"no one can hold the role {strange[0]!r}"
        line = line_of(document["sign_offs"]["roles"], strange[0])
        raise MbpError(what, path=path, line=line, fix=did_you_mean(strange[0], list(ROLES)))
    policy = load_policy(root)
    measured = any("kpi" in entry["source"] for entry in value["checks"])
    kpis = load_sheet(root, policy).kpis if measured else {}
    checks: dict[str, CheckDefinition] = {}

    def refuse(index: int, key: str, what: str, fix: str) -> MbpError:
        return MbpError(what, path=path, line=line_of(document["checks"][index], key), fix=fix)

    for index, entry in enumerate(value["checks"]):
        check_definition = CheckDefinition(**entry)
        if check_definition.id in checks:
            raise refuse(
                index, "id", f"the check {check_definition.id} appears twice here", "rename one"
            )
        if rules is not None:
            _demand_rule(check_definition, rules, index, refuse)
        if (kpi := check_definition.source.get("kpi")) is not None and str(kpi) not in kpis:
            what = f"{check_definition.id}: no KPI {kpi!r} in the measurement sheet"
            raise refuse(index, "source", what, did_you_mean(str(kpi), sorted(kpis)))
        if check_definition.owner not in policy.owners:
            what = f"{check_definition.id}: no owner {check_definition.owner!r}"
            raise refuse(
                index, "owner", what, did_you_mean(check_definition.owner, sorted(policy.owners))
            )
        # Sign-offs are recognised by their area: no signature covers them.
        if check_definition.area == SIGN_OFF_AREA:
            raise refuse(
                index,
                "area",
                f"{check_definition.id} would count as a sign-off",
                "give it another area",
            )
        if check_definition.no_go and check_definition.waivable:
            raise refuse(
                index,
                "waivable",
                f"{check_definition.id}: a no-go cannot be waived",
                "set it to false",
            )
        if check_definition.rehearsal and (check_definition.waivable or check_definition.no_go):
            raise refuse(
                index,
                "rehearsal",
                f"{check_definition.id}: a rehearsal is not waived into a release",
                "set waivable to false, and leave no_go out",
            )
        checks[check_definition.id] = check_definition
    return Gate(
        name,
        value["title"],
        path,
        value["evidence_max_age_hours"],
        value["sign_offs"]["roles"],
        value["sign_offs"]["max_age_hours"],
        value["sign_offs"]["owner"],
        tuple(checks.values()),
        digest(document),
    )


class GateRuleLike(Protocol):
    """What a gate definition must know of a rule: the keys of `source` that it needs and that it accepts."""

    @property
    def wants(self) -> frozenset[str]: ...
    @property
    def knows(self) -> frozenset[str]: ...


def _demand_rule(
    check_definition: CheckDefinition,
    rules: Mapping[str, GateRuleLike],
    index: int,
    refuse: Callable[[int, str, str, str], MbpError],
) -> None:
    if check_definition.rule not in rules:
        what = f"{check_definition.id}: no rule {check_definition.rule!r}"
        raise refuse(index, "rule", what, did_you_mean(check_definition.rule, sorted(rules)))
    rule = rules[check_definition.rule]
    missing, unknown = (
        rule.wants - check_definition.source.keys(),
        check_definition.source.keys() - rule.knows,
    )
    if missing or unknown:
        key = sorted(missing or unknown)[0]
        what = (
            f"{check_definition.id}: the rule {check_definition.rule}"
            f" {'wants' if missing else 'knows no'} source.{key}"
        )
        raise refuse(index, "source", what, f"it knows {', '.join(sorted(rule.knows))}")
