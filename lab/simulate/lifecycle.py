"""Changes of markets, their resolutions and their abuse events, and the decisions behind them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.simulate import abuse
from lab.simulate.group import MarketGroup
from lab.simulate.halts import BREAKER, PLANNED, Pause
from lab.simulate.market_plan import NEVER, MarketPlan
from lab.simulate.market_texts import RULE_VERSIONS, TEMPLATES, market_name
from lab.simulate.parameters import DAY, HOUR, MINUTE, SECOND, Parameters

Change = dict[str, Any]

COMMIT_DELAY = 3_000  # from a decision to its commit, microseconds
ENGINE = "rule-engine"
OPERATORS = ("operator-1", "operator-2", "operator-3")


@dataclass(frozen=True)
class SimulatedDecision:
    """A critical action: it has a span, an audit record and a trace that names both."""

    occurred_at: int
    action: str
    entity_type: str
    entity_id: str
    actor: str
    trace_id: str


@dataclass
class Lifecycle:
    """What happened to a group's markets beside the quotes."""

    markets: list[Change] = field(default_factory=list)
    resolutions: list[Change] = field(default_factory=list)
    abuse_events: list[Change] = field(default_factory=list)
    decisions: list[SimulatedDecision] = field(default_factory=list)


def pseudonym(name: str) -> str:
    """SHA-256 of a name: what the tables hold in place of a person."""
    return hashlib.sha256(f"mbp-simulation:{name}".encode()).hexdigest()


def market_key(parameters: Parameters, market: int) -> str:
    """Key of the market with this number (from 0)."""
    return f"mkt-{market + 1:0{parameters.market_digits}d}"


class _Recorder:
    """Collects the changes of one market after the other."""

    def __init__(self, parameters: Parameters, random: np.random.Generator) -> None:
        self.parameters = parameters
        self.random = random
        self.found = Lifecycle()

    def trace(self) -> str:
        return self.random.bytes(16).hex()

    def decide(self, at: int, action: str, kind: str, entity: str, actor: str) -> str:
        """Notes a critical decision; returns its trace id."""
        trace = self.trace()
        # A decision before the stream began has no telemetry: that was collected from then on.
        if self.parameters.start_us <= at < self.parameters.end_us:
            self.found.decisions.append(SimulatedDecision(at, action, kind, entity, actor, trace))
        return trace

    def market(self, market: int, row: Change, operation: str, action: str, actor: str) -> None:
        """Notes a change of a market, in force at its `updated_at`."""
        at = row["updated_at"]
        self.decide(at, f"market.{action}", "market", row["market_id"], actor)
        self.found.markets.append(
            {**row, "market": market, "commit": at + COMMIT_DELAY, "operation": operation}
        )


def lifecycle_of_group(group: MarketGroup, random: np.random.Generator) -> Lifecycle:
    """Every change of the group's markets, resolutions and abuse events."""
    recorder, markets = _Recorder(group.parameters, random), group.markets
    pauses: dict[int, list[Pause]] = {}
    for pause in sorted(group.paths.pauses, key=lambda pause: pause.from_us):
        pauses.setdefault(pause.market, []).append(pause)
    for market in range(markets.start, markets.stop):
        _market(recorder, group.plan, market, pauses.get(market - markets.start, []))
    for event in _flags(group):
        recorder.found.abuse_events.append(event)
        at, key = event["detected_at"], event["abuse_event_id"]
        recorder.decide(at, f"abuse.{event['kind']}", "abuse_event", key, "abuse-detector")
    return recorder.found


def unquoted_markets(parameters: Parameters, random: np.random.Generator) -> Lifecycle:
    """Markets without quotes: one created by mistake and deleted again, one that is announced and
    opens after the end of the data, and so on in turn."""
    recorder = _Recorder(parameters, random)
    for extra in range(parameters.unquoted_markets):
        market, announced = parameters.markets + extra, bool(extra % 2)
        moment = int(random.integers(parameters.length_us // 4, parameters.length_us // 2))
        created = (parameters.start_us + moment) // MINUTE * MINUTE + 7 * SECOND
        opens = (parameters.end_us if announced else created) // MINUTE * MINUTE + 2 * HOUR
        row = _first_row(parameters, market, TEMPLATES[0], created) | {
            "truth_source": "table",
            "opened_at": opens,
            "closes_at": opens + 2 * DAY,
            "resolution_deadline": opens + 3 * DAY,
            "min_liquidity": 200 * 10**8,
        }
        recorder.market(market, row, "c", "create", OPERATORS[0])
        if not announced:
            gone = created + 9 * MINUTE
            recorder.decide(gone, "market.delete", "market", row["market_id"], OPERATORS[0])
            recorder.found.markets.append(
                {**row, "market": market, "commit": gone, "operation": "d"}
            )
    return recorder.found


def _first_row(parameters: Parameters, market: int, template: Any, created: int) -> Change:
    return {
        "market_id": market_key(parameters, market),
        "template_id": template.template_id,
        "name": market_name(template, market),
        "category": template.category,
        "status": "open",
        "closed_at": None,
        "created_at": created,
        "updated_at": created,
    }


def _market(recorder: _Recorder, plan: MarketPlan, market: int, pauses: list[Pause]) -> None:
    """One market from its creation to its end, in the order of time."""
    parameters, case = recorder.parameters, plan.case_of(market)
    operator = OPERATORS[market % len(OPERATORS)]
    closes_at = int(plan.closes_at[market])
    ends_at = int(plan.trading_ends_at[market])
    row = _first_row(
        parameters, market, TEMPLATES[int(plan.template[market])], int(plan.created_at[market])
    )
    row |= {
        "truth_source": case.truth_source,
        "opened_at": int(plan.opened_at[market]),
        "closes_at": closes_at,
        "resolution_deadline": closes_at + 2 * DAY,
        "min_liquidity": int(plan.min_liquidity[market]) * 10**8,
    }
    if market % 4 == 2 and ends_at == NEVER:  # noqa: PLR2004 - its schedule will be extended
        row |= {"closes_at": closes_at - 6 * HOUR, "resolution_deadline": closes_at + 42 * HOUR}
        extended: Change | None = {
            "closes_at": closes_at,
            "resolution_deadline": closes_at + 2 * DAY,
        }
    else:
        extended = None
    recorder.market(market, row, "c", "create", operator)

    steps: list[tuple[int, str, str, Change]] = []
    if extended:
        middle = (int(plan.quote_from[market]) + int(plan.quote_until[market])) // 2
        steps.append((middle // SECOND * SECOND + 123_456, "extend", operator, extended))
    for pause in pauses:
        actor = {PLANNED: operator, BREAKER: "circuit-breaker"}.get(pause.reason, "abuse-detector")
        steps.append((pause.from_us, "pause", actor, {"status": "paused"}))
        if pause.until_us < min(ends_at, parameters.end_us):
            steps.append((pause.until_us, "resume", actor, {"status": "open"}))
    if ends_at != NEVER:
        status, action = ("canceled", "cancel") if case.ends == "canceled" else ("closed", "close")
        # The scheduler writes the close a moment after trading ended.
        written = ends_at + 400_000 + 10_000 * (market % 30)
        steps.append((written, action, ENGINE, {"status": status, "closed_at": ends_at}))
    for at, action, actor, changed in sorted(steps, key=lambda step: step[0]):
        row = {**row, **changed, "updated_at": at}
        recorder.market(market, row, "u", action, actor)
    if plan.decided_at[market] != NEVER:
        _resolve(recorder, plan, market, row, operator)


def _resolve(
    recorder: _Recorder, plan: MarketPlan, market: int, row: Change, operator: str
) -> None:
    """The resolution, and the market's row of the same transaction."""
    case, template = plan.case_of(market), TEMPLATES[int(plan.template[market])]
    decided = int(plan.decided_at[market])
    manual = case.truth_source == "manual"
    key = f"res-{row['market_id'].removeprefix('mkt-')}"
    value = template.own_options[1] if case.decision == "OWN" else case.decision
    trace = recorder.decide(
        decided, "market.resolve", "resolution", key, operator if manual else ENGINE
    )
    recorder.found.resolutions.append(
        {
            "resolution_id": key,
            "market_id": row["market_id"],
            "started_at": int(plan.started_at[market]),
            "rule_version": RULE_VERSIONS[market % len(RULE_VERSIONS)],
            "source_kind": case.truth_source,
            "source_ref": f"ops.committee/{key}" if manual else template.source_ref,
            "decided_value": value,
            "decided_at": decided,
            "decided_by_hash": pseudonym(operator) if manual else None,
            "evidence_uri": f"s3://mbp-evidence/{key}/minutes.pdf" if manual else None,
            "audit_trace_id": trace,
            "market": market,
            "commit": decided + COMMIT_DELAY,
            "operation": "c",
        }
    )
    recorder.found.markets.append(
        {
            **row,
            "status": "resolved",
            "updated_at": decided,
            "market": market,
            "commit": decided + COMMIT_DELAY,
            "operation": "u",
        }
    )


def _flags(group: MarketGroup) -> Iterator[Change]:
    """Rows of the flags that the detector raised, numbered within their market."""
    paths, parameters = group.paths, group.parameters
    numbers: dict[int, int] = {}
    for flag in paths.flags:
        for place, inside in enumerate(flag.market.tolist()):
            market = group.markets.start + inside
            numbers[market] = numbers.get(market, 0) + 1
            step = int(flag.step[place])
            kind = int(flag.kind[place])
            before = int(paths.price[step - abuse.TRADES, inside])
            moved = 100.0 * (int(paths.price[step, inside]) - before) / before
            seconds = int(flag.lasted[place]) / SECOND
            who = "several accounts" if kind == abuse.BURST else "one account"
            detected = int(flag.detected_at[place])
            key = market_key(parameters, market)
            yield {
                "abuse_event_id": f"abu-{key.removeprefix('mkt-')}-{numbers[market]:03d}",
                "market_id": key,
                "detected_at": detected,
                "kind": abuse.KINDS[kind],
                "severity": abuse.SEVERITIES[int(flag.severity[place])],
                "action_taken": abuse.ACTIONS[int(flag.action[place])],
                "user_id_hash": pseudonym(f"account-{int(flag.account[place])}"),
                "details": f"{abuse.TRADES} trades in {seconds:.1f} s by {who}; "
                f"price moved {moved:+.2f} %",
                "market": market,
                "commit": detected + COMMIT_DELAY,
                "operation": "c",
            }
