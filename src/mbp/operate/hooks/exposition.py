"""`mbp metrics export`: the newest value of every KPI in the Prometheus text format (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mbp.contracts.hook_policy import HookPolicy
from mbp.core.moments import is_future
from mbp.ingest.cdc.watched import WatchedCapture
from mbp.operate.hooks.alarming import GAUGES, Sample
from mbp.operate.hooks.alarming import samples as captured_samples
from mbp.operate.hooks.decide import COLOURS, HookOutcome
from mbp.operate.hooks.measurements import WarehouseFacts

HELP = {
    "mbp_kpi_value": "Newest value, in the unit of the KPI.",
    "mbp_kpi_samples": "Samples that the value was measured on.",
    "mbp_kpi_target": "Number that the value is compared with.",
    "mbp_kpi_breach": "1 when the newest window is a breach, else 0.",
    "mbp_kpi_insufficient": "1 when the newest window has too little data, else 0.",
    "mbp_kpi_not_measured": "1 for a KPI that reads what the loaded source lacks; the reason is a label.",
    "mbp_kpi_window_end_timestamp_seconds": "End of the newest window, Unix time.",
    "mbp_hook_state": "1 for the state that the hook is in.",
    "mbp_open_decisions": "Decisions that have not recovered.",
}


def exposition(
    policy: HookPolicy, picture: WarehouseFacts, outcome: HookOutcome, watched: WatchedCapture
) -> str:
    """All metrics; entities by name, values as they were measured.

    Args:
        watched: of the change data capture; where there is none, none of its metrics are there.
    """
    captured = captured_samples(watched)
    help_texts = {**HELP, **(GAUGES if captured else {})}
    samples: dict[str, list[Sample]] = {name: [] for name in help_texts}
    for sample in (*_samples(policy, picture, outcome), *captured):
        samples[sample[0]].append(sample)
    lines = []
    for name, pairs in samples.items():
        lines += [f"# HELP {name} {help_texts[name]}", f"# TYPE {name} gauge"]
        lines += [_line(*sample) for sample in pairs]
    return "\n".join(lines) + "\n"


def _samples(policy: HookPolicy, picture: WarehouseFacts, outcome: HookOutcome) -> Iterator[Sample]:
    for kpi in policy.sheet.kpis.values():
        yield "mbp_kpi_target", {"kpi": kpi.id, "operator": kpi.operator}, kpi.bound
    for kpi_id, reason in sorted(picture.unmeasured.items()):
        yield "mbp_kpi_not_measured", {"kpi": kpi_id, "reason": reason}, 1
    for (kpi_id, entity), windows in sorted(picture.windows.items()):
        newest, labels = windows[0], {"kpi": kpi_id, "entity": entity}
        if is_future(newest.window_end, picture.now):
            # Its end would seem fresh until the clock has caught up.
            yield "mbp_kpi_insufficient", labels, 1
            continue
        if newest.value is not None:
            yield "mbp_kpi_value", labels, float(newest.value)
        yield "mbp_kpi_samples", labels, newest.samples
        yield "mbp_kpi_breach", labels, int(newest.verdict == "breach")
        yield "mbp_kpi_insufficient", labels, int(newest.verdict == "insufficient data")
        yield "mbp_kpi_window_end_timestamp_seconds", labels, newest.window_end.timestamp()
    for state in outcome.states:
        for colour in COLOURS:
            labels = {"hook": state.hook_id, "kpi": state.kpi_id, "entity": state.entity}
            yield "mbp_hook_state", {**labels, "state": colour}, int(state.colour == colour)
    owners: dict[str, int] = {kpi.owners[0]: 0 for kpi in policy.sheet.kpis.values()}
    for decision in outcome.kept(picture.open):
        owner = decision.owner.split("/")[0]
        owners[owner] = owners.get(owner, 0) + 1
    for owner, count in sorted(owners.items()):
        yield "mbp_open_decisions", {"owner": owner}, count


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value:.15g}"


def _escaped(text: str) -> str:
    """As the format demands it of label values."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
