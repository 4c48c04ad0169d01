"""The decision is a pure function: same policy and picture, same bytes; nothing is decided twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbp.contracts.hook_policy import HookPolicy, load_hooks
from mbp.contracts.sheet import WHOLE
from mbp.core.paths import project_root
from mbp.ingest.cdc.watched import WatchedCapture
from mbp.ingest.loading.loads import TableLoad
from mbp.operate.hooks.decide import HookOutcome, decide
from mbp.operate.hooks.exposition import exposition
from mbp.operate.hooks.hook_status import status, text
from mbp.operate.hooks.measurements import KpiWindow, WarehouseFacts

NOW = datetime(2026, 1, 6, 18, 0, 5, tzinfo=UTC)
POLICY = load_hooks(project_root(Path(__file__).parent))
VERDICTS = ("ok", "breach", "insufficient data")


def windows(kpi_id: str, verdicts: list[str], entity: str = WHOLE) -> list[KpiWindow]:
    """Newest first; the newest one ended just now."""
    kpi = POLICY.sheet.kpis[kpi_id]
    every = timedelta(minutes=kpi.every_minutes)
    newest = NOW - timedelta(seconds=5)
    length = timedelta(minutes=kpi.window_minutes or 0)
    return [
        KpiWindow(
            kpi_id,
            entity,
            newest - age * every - length,
            newest - age * every,
            None if verdict == "insufficient data" else Decimal(7),
            0 if verdict == "insufficient data" else 5,
            verdict,
        )
        for age, verdict in enumerate(verdicts)
    ]


def green() -> dict[tuple[str, str], list[KpiWindow]]:
    return {(kpi_id, WHOLE): windows(kpi_id, ["ok"] * 4) for kpi_id in POLICY.sheet.kpis}


def picture(changes: dict[tuple[str, str], list[KpiWindow]] | None = None) -> WarehouseFacts:
    return WarehouseFacts(NOW, {**green(), **(changes or {})}, (), frozenset())


def opened(outcome: HookOutcome) -> list[tuple[str, str, str]]:
    return [(one.hook_id, one.entity, one.reason) for one in outcome.opened]


def after(before: WarehouseFacts, outcome: HookOutcome) -> WarehouseFacts:
    """The picture that the ledger shows afterwards."""
    closed = {one.decision_id for one in outcome.recovered}
    still = [one for one in before.open if one.decision_id not in closed]
    still += outcome.opened
    seen = before.seen | {one.decision_id for one in outcome.opened}
    return replace(before, open=tuple(still), seen=frozenset(seen))


@pytest.mark.parametrize("measured", [[], ["insufficient data"]])
def test_what_the_source_lacks_is_told_beside_the_state(measured: list[str]) -> None:
    reason = "no mbp_quotes.twap_5m: no average is recorded"
    changes = {("twap_divergence", WHOLE): windows("twap_divergence", measured)}
    seen = replace(picture(changes), unmeasured={"twap_divergence": reason})
    outcome = decide(POLICY, seen)
    (state,) = [one for one in outcome.states if one.kpi_id == "twap_divergence"]
    assert (state.colour, state.why) == ("unknown", f"not measured: {reason}")
    shown = " ".join(text(status(POLICY, seen, outcome, []), colour=False).split())
    assert f"TWAP divergence (all): not measured: {reason}" in shown
    exported = exposition(POLICY, replace(seen, windows=green()), outcome, WatchedCapture(NOW))
    assert f'mbp_kpi_not_measured{{kpi="twap_divergence",reason="{reason}"}} 1\n' in exported


def test_rejected_rows_are_counted_per_load() -> None:
    seen = picture()
    first = TableLoad(1, "shop", "mbp_quotes", NOW, "q.csv", "", 620, 120, 0, 0, 500, 0)
    allowed = replace(first, load_id=2, rejected=3, max_rejects=5)
    screen = status(
        POLICY, seen, decide(POLICY, seen), [], [first, allowed, replace(first, rejected=0)]
    )
    assert not screen.passed
    shown = text(screen, colour=False)
    assert "load 1 of shop: 500 of 620 rows of mbp_quotes rejected\n" in shown
    assert "load 2 of shop: 3 of 620 rows of mbp_quotes rejected, 5 allowed\n" in shown
    assert len(screen.rejects) == 2
    assert status(POLICY, seen, decide(POLICY, seen), [], [allowed]).passed


def test_a_green_world_decides_nothing() -> None:
    outcome = decide(POLICY, picture())
    assert outcome.passed
    assert not outcome.opened
    assert not outcome.recovered
    assert {state.hook_id for state in outcome.states} == set(POLICY.hooks)


def test_a_breach_is_decided_once_and_closed_when_it_recovers() -> None:
    broken = picture({("dec_p95", WHOLE): windows("dec_p95", ["breach", "ok"])})
    outcome = decide(POLICY, broken)
    assert opened(outcome) == [("dec_latency", WHOLE, "breach")]
    (decision,) = outcome.opened
    assert decision.actions == ("rollback",)
    assert decision.owner == "SRE"
    assert decision.breached_at == NOW - timedelta(seconds=5, minutes=5)
    assert not outcome.passed
    later = after(broken, outcome)
    again = decide(POLICY, later)
    assert not again.opened
    assert not again.recovered
    assert not again.passed
    fixed = decide(POLICY, replace(later, windows=green()))
    assert [one.decision_id for one in fixed.recovered] == [decision.decision_id]
    assert fixed.passed


def test_a_hook_waits_for_its_windows() -> None:
    """thin_market wants two windows in a row; a gap between them breaks the row."""
    market = ("depth_2pct", "mkt-1")
    one = decide(POLICY, picture({market: windows(*market[:1], ["breach", "ok"], "mkt-1")}))
    assert not one.opened
    state = next(state for state in one.states if state.hook_id == "thin_market")
    assert (state.colour, state.counts_as_red) == ("pending", False)
    two = windows("depth_2pct", ["breach", "breach"], "mkt-1")
    assert opened(decide(POLICY, picture({market: two}))) == [("thin_market", "mkt-1", "breach")]
    with_gap = [two[0], replace(two[1], window_end=two[1].window_end - timedelta(hours=1))]
    assert not decide(POLICY, picture({market: with_gap})).opened


@pytest.mark.parametrize(
    ("kpi_id", "hook_id", "action"),
    [
        ("dec_p95", "dec_latency", ("open_incident",)),
        ("cdc_lag_p95", "cdc_delay", ("open_incident",)),
        ("dbt_tests", "dbt_failure", ("block_merge",)),
        ("schema_drift", "drift", ("block_deploy",)),
        ("data_contract_break", "contract_break", ("open_incident",)),
    ],
)
@pytest.mark.parametrize("how", ["never", "stale", "no value"])
def test_a_must_have_that_cannot_see_is_red(
    kpi_id: str, hook_id: str, action: tuple[str, ...], how: str
) -> None:
    measured = windows(kpi_id, ["insufficient data"])
    if how == "never":
        measured = []
    elif how == "stale":
        old = windows(kpi_id, ["ok"])[0]
        ended = NOW - 4 * timedelta(minutes=POLICY.sheet.kpis[kpi_id].every_minutes)
        measured = [replace(old, window_start=ended, window_end=ended)]
    before = picture({(kpi_id, WHOLE): measured})
    outcome = decide(POLICY, before)
    assert opened(outcome) == [(hook_id, WHOLE, "unknown")]
    # What runs is not rolled back, frozen or degraded for want of evidence.
    assert outcome.opened[0].actions == action
    assert not outcome.passed
    assert not decide(POLICY, after(before, outcome)).opened


def test_a_blind_watcher_that_sees_a_breach_decides_on_it() -> None:
    before = picture({("dec_p95", WHOLE): []})
    blind = decide(POLICY, before)
    seen = replace(
        after(before, blind),
        windows={**green(), ("dec_p95", WHOLE): windows("dec_p95", ["breach"])},
    )
    outcome = decide(POLICY, seen)
    assert opened(outcome) == [("dec_latency", WHOLE, "breach")]
    assert [one.reason for one in outcome.recovered] == ["unknown"]


def test_removing_a_hook_does_not_lift_what_it_blocked() -> None:
    broken = picture({("schema_drift", WHOLE): windows("schema_drift", ["breach"])})
    blocked = after(broken, decide(POLICY, broken))
    without = replace(POLICY, hooks={k: v for k, v in POLICY.hooks.items() if k != "drift"})
    assert not decide(without, blocked).recovered


def test_a_watcher_without_hooks_is_no_pass() -> None:
    assert not decide(replace(POLICY, hooks={}), picture()).passed


ENTITIES = st.sampled_from([WHOLE, "mkt-1", "mkt-2"])
WORLDS = st.dictionaries(
    st.tuples(st.sampled_from(sorted(POLICY.sheet.kpis)), ENTITIES),
    st.lists(st.sampled_from(VERDICTS), max_size=4),
)


@given(WORLDS)
def test_same_policy_and_picture_same_bytes(world: dict[tuple[str, str], list[str]]) -> None:
    measured = {key: windows(key[0], verdicts, key[1]) for key, verdicts in world.items()}
    one = WarehouseFacts(NOW, measured, (), frozenset())
    other = WarehouseFacts(NOW, dict(reversed(list(measured.items()))), (), frozenset())
    backwards: HookPolicy = replace(POLICY, hooks=dict(reversed(list(POLICY.hooks.items()))))
    assert decide(POLICY, one).as_json() == decide(backwards, other).as_json()


@given(WORLDS, WORLDS)
def test_one_open_decision_per_breach(
    first: dict[tuple[str, str], list[str]], second: dict[tuple[str, str], list[str]]
) -> None:
    """Whatever comes after whatever: never two open decisions on one hook, entity and reason."""
    seen = WarehouseFacts(NOW, {}, (), frozenset())
    for world in (first, second, first):
        measured = {key: windows(key[0], verdicts, key[1]) for key, verdicts in world.items()}
        seen = replace(seen, windows=measured)
        outcome = decide(POLICY, seen)
        seen = after(seen, outcome)
        places = [(one.hook_id, one.entity, one.reason) for one in seen.open]
        assert len(places) == len(set(places))
        assert not decide(POLICY, seen).opened
        red = {(one.hook_id, one.entity) for one in outcome.states if one.counts_as_red}
        assert red <= {(one.hook_id, one.entity) for one in seen.open}
