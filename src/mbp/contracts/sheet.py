"""A87, the measurement sheet: every KPI with its window, target, watcher, hook and owner."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from mbp.contracts.contract_loading import read_contracts
from mbp.contracts.document_node import demand_plain_text
from mbp.contracts.policy import Policy
from mbp.core.forms import (
    SOME,
    Above0,
    Count,
    Name,
    Narrowed,
    PartPercent,
    Positive,
    Version,
    read_as,
)
from mbp.core.schema_check import did_you_mean, wrong_at
from mbp.core.yaml_io import line_of

SHEET = "contracts/a87/measurement_sheet.yaml"
RUN = "run"
# Of several windows the one that is farthest off its target, or nearest to it.
WORST_WINDOW = "worst_window"
# What a hook can do; mbp.operate.hooks.actions has an executor for each.
ACTIONS = (
    "block_merge",
    "block_deploy",
    "open_incident",
    "alert",
    "degrade",
    "rollback",
    "rollback_fe",
    "freeze",
    "moderate",
    "waiver",
)
Dashboard = Literal["DEC", "MBP", "DATA", "FE"]
UNIT_MINUTES = {"m": 1, "h": 60, "d": 1440}
# A target that is a word: what is counted is what went wrong, so the word means none of it.
WORDS = {"pass": ("==", 0.0), "false": ("==", 0.0)}
FiveMinutes = Annotated[int, Narrowed(minimum=5, multipleOf=5)]
# A target that is a service level of the contracts, in seconds.
SERVICE_LEVEL = re.compile("<=(freshness|latency)")


@dataclass(frozen=True)
class KpiEntry:
    """A KPI as the file has it.

    Attributes:
        measure: what is shown over several windows: a measure of the semantic models, or WORST_WINDOW.
    """

    id: Name
    name: str
    unit: str
    source: str
    window: str
    every: str
    target: str
    watcher: Name
    hook: str
    owner: str
    query_id: Annotated[str, Narrowed(pattern="^[a-z]+[.][a-z0-9_]+$")]
    dashboard: Dashboard
    minimum_samples: Count
    measure: Name
    definition: str


@dataclass(frozen=True)
class SheetParameters:
    """The numbers in the definitions of the KPIs."""

    slo_percent: PartPercent
    burn_confirmation_minutes: FiveMinutes
    burn_page_fast: Above0
    burn_page_slow: Above0
    burn_ticket: Above0
    sustained_minutes: FiveMinutes
    inp_tolerance_percent: Above0
    twap_samples_outside: Positive
    abuse_usual_hours: Positive
    abuse_usual_floor: Above0


@dataclass(frozen=True)
class SheetFile:
    """The whole file."""

    version: Version
    parameters: SheetParameters
    kpis: Annotated[tuple[KpiEntry, ...], SOME]


@dataclass(frozen=True)
class Kpi(KpiEntry):
    """One KPI of the sheet.

    Attributes:
        window_minutes: None for a KPI that is measured per run.
        every_minutes: a newer value is due after so long.
        operator, bound: the target as a comparison with the value.
        actions: what its hook does, in the order of the sheet.
        owners: teams, the first one answers.
        line: in the file.
    """

    window_minutes: int | None
    every_minutes: int
    operator: str
    bound: float
    actions: tuple[str, ...]
    owners: tuple[str, ...]
    line: int | None


@dataclass(frozen=True)
class Sheet:
    """The sheet: KPI id -> KPI in the order of the file, and the parameters of the definitions."""

    kpis: Mapping[str, Kpi]
    parameters: SheetParameters


def load_sheet(root: Path, policy: Policy) -> Sheet:
    """Reads contracts/a87/measurement_sheet.yaml.

    Raises:
        MbpError: missing or not of the schema; a target, window, action or owner that does not parse
            or is unknown; an id or a query id that appears twice.
    """
    document, form = read_as(SheetFile, root, SHEET)
    demand_plain_text(document, SHEET)
    kpis: dict[str, Kpi] = {}
    queries: set[str] = set()
    for node, entry in zip(document["kpis"], form.kpis, strict=True):
        if entry.id in kpis:
            raise wrong_at(node, "id", SHEET, f"the KPI {entry.id!r} appears twice", "keep one")
        if entry.query_id in queries:
            what = f"the query id {entry.query_id!r} appears twice"
            raise wrong_at(node, "query_id", SHEET, what, "give each KPI its own")
        queries.add(entry.query_id)
        target = entry.target
        if kind := SERVICE_LEVEL.fullmatch(target):
            seconds = _strictest(kind[1], root)
            if seconds is None:
                what = f"no contract has the service level {kind[1]!r}, the target of {entry.id}"
                fix = "write a number, or add it to a contract"
                raise wrong_at(node, "target", SHEET, what, fix)
            target = f"<={seconds}"
        kpis[entry.id] = _kpi(replace(entry, target=target), node, policy)
    return Sheet(kpis, form.parameters)


def _strictest(kind: str, root: Path) -> int | None:
    """The smallest value of a service level of the contracts, in seconds; None where no contract has it.

    Raises:
        MbpError: a contract, or its service level, cannot be read.
    """
    read = read_contracts(root)
    levels = [contract.service_level(kind) for contract in read.contracts.values()]
    seconds = [level.seconds for level in levels if level]
    if read.unread or None in seconds:
        raise read.faults[0].as_error
    return min((number for number in seconds if number), default=None)


def parse_target(text: str) -> tuple[str, float]:
    """'<=800' -> ('<=', 800.0); 'pass' and 'false' count what went wrong, so they mean == 0.

    Raises:
        ValueError: no such comparison.
    """
    if text in WORDS:
        return WORDS[text]
    matched = re.fullmatch(r"(<=|>=|==|<|>)\s*([0-9]+(?:[.][0-9]+)?)x?", text)
    if not matched:
        raise ValueError(f"expected a comparison like '<=800' or '<1x', or one of {sorted(WORDS)}")
    return matched[1], float(matched[2])


def parse_span(text: str) -> int:
    """'5m' -> 5, '4h' -> 240, '1d' -> 1440: minutes.

    Raises:
        ValueError: no such span.
    """
    matched = re.fullmatch(r"([1-9][0-9]*)([mhd])", text)
    if not matched:
        raise ValueError("expected a number with m, h or d, like '5m'")
    return int(matched[1]) * UNIT_MINUTES[matched[2]]


def _kpi(entry: KpiEntry, node: Any, policy: Policy) -> Kpi:
    def parsed(key: str, parse: Any) -> Any:
        try:
            return parse(getattr(entry, key))
        except ValueError as error:
            what = f"the {key} {getattr(entry, key)!r} of {entry.id} does not parse: {error}"
            raise wrong_at(node, key, SHEET, what, "correct it") from error

    operator, bound = parsed("target", parse_target)
    window = None if entry.window == RUN else parsed("window", parse_span)
    actions = tuple(entry.hook.split("+"))
    for action in actions:
        if action not in ACTIONS:
            what = f"unknown action {action!r} of {entry.id}"
            raise wrong_at(node, "hook", SHEET, what, did_you_mean(action, ACTIONS))
    owners = tuple(entry.owner.split("/"))
    for owner in owners:
        policy.check_owner(owner, SHEET, line_of(node, "owner"))
    return Kpi(
        **{**vars(entry), "definition": " ".join(entry.definition.split())},
        window_minutes=window,
        every_minutes=parsed("every", parse_span),
        operator=operator,
        bound=bound,
        actions=actions,
        owners=owners,
        line=line_of(node, "id"),
    )


WHOLE = "all"
