"""Telemetry: spans of decisions, web vitals, the audit log, sampled log lines, check results."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lab.simulate import encode, schema
from lab.simulate.change_log import column_of
from lab.simulate.lifecycle import SimulatedDecision, pseudonym
from lab.simulate.parameters import HOUR, MINUTE, SECOND, Parameters

Integers = NDArray[np.int64]

RELEASES = tuple(hashlib.sha1(f"mbp-{n}".encode()).hexdigest() for n in range(6))  # noqa: S324
BUDGET_MS = 780.0  # a decision that is not ready by then is answered by the fallback
CORE = "decision.core"
CHILDREN = ("rules.evaluate", "quotes.read", "ledger.reserve")
PAGES = ("/", "/markets", "/markets/:id", "/portfolio", "/admin/resolutions")
NAVIGATIONS = ("navigate", "reload", "back-forward", "prerender")
RATINGS = ("good", "needs-improvement", "poor")
LOG_LINES = (
    ("INFO", "order accepted"),
    ("INFO", "quote published"),
    ("INFO", "snapshot of the order book written"),
    ("DEBUG", "rule set loaded from cache"),
    ("WARN", "order refused: price band reached"),
    ("WARN", "retrying read of the truth source"),
)
CHECKS = ("lint", "types", "unit-tests", "contracts", "dbt-duckdb", "dbt-postgres")
# The first tables keep their places in each round, so that a new table moves no heartbeat of the others.
FIRST_TABLES = ("markets", "quotes", "resolutions", "abuse_events")
LOGGED_TABLES = tuple(name.partition(".")[2] for name in schema.KEYS)
HOT_TABLES = (*FIRST_TABLES, *(name for name in LOGGED_TABLES if name not in FIRST_TABLES))
HEARTBEAT_EVERY = 2 * MINUTE
HTTP_OK, HTTP_REFUSED = 200, 422


def _arrived(at: Integers, random: np.random.Generator) -> pa.Array:
    lag = (0.5 + 1.5 * random.standard_exponential(len(at))) * SECOND
    return encode.instants(at + lag.astype(np.int64))


def _moments(
    parameters: Parameters, hour: int, per_second: float, random: np.random.Generator
) -> Integers:
    """Sorted random instants of one hour of the period, `per_second` on average."""
    count = int(random.poisson(per_second * 3600))
    begins = parameters.start_us + hour * HOUR
    return np.sort(begins + np.floor(random.random(count) * HOUR).astype(np.int64))


def telemetry(
    parameters: Parameters, decisions: list[SimulatedDecision]
) -> Iterator[tuple[str, pa.Table]]:
    """Chunks of all telemetry tables, hour by hour; `decisions` are the critical ones."""
    ordered = sorted(decisions, key=lambda made: (made.occurred_at, made.trace_id))
    clock = np.array([made.occurred_at for made in ordered], dtype=np.int64)
    for hour in range(parameters.days * 24):
        begins = parameters.start_us + hour * HOUR
        first, last = np.searchsorted(clock, [begins, begins + HOUR])
        yield from _hour(parameters, hour, ordered[int(first) : int(last)])
        yield "ops.cdc_heartbeats", _heartbeats(parameters, hour)
    yield "ops.ci_checks", _ci_checks(parameters)


def _hour(
    parameters: Parameters, hour: int, critical: list[SimulatedDecision]
) -> Iterator[tuple[str, pa.Table]]:
    random = parameters.stream("telemetry", hour)
    ordinary = _moments(parameters, hour, parameters.rps, random)
    traces = encode.random_hexadecimal(random, len(ordinary), 2)
    at = np.concatenate([ordinary, np.array([made.occurred_at for made in critical], np.int64)])
    all_traces = pa.concat_arrays(
        [traces, pa.array([made.trace_id for made in critical], type=pa.string())]
    )
    yield "ops.otel_spans", _spans(at, all_traces, len(ordinary), random)
    yield (
        "ops.audit_log",
        _audit(
            parameters, hour, ordinary=ordinary, traces=traces, critical=critical, random=random
        ),
    )
    yield "ops.rum_events", _web_vitals(parameters, hour, random)
    yield "ops.log_samples", _log_lines(hour, ordinary, traces, random)


def _spans(at: Integers, traces: pa.Array, ordinary: int, random: np.random.Generator) -> pa.Table:
    """A root span per decision and, for one decision in three, the step that took longest."""
    rows = len(at)
    milliseconds = np.minimum(200.0 * np.exp(0.5 * random.standard_normal(rows)), BUDGET_MS)
    milliseconds += 5.0 * random.random(rows)
    took = (milliseconds * 1e6).astype(np.int64)
    begins = at * 1000 + random.integers(0, 1000, rows) - took  # the decision falls when it ends
    spans = encode.random_hexadecimal(random, rows, 1)
    critical = (np.arange(rows) >= ordinary).astype(np.int64)
    refused = (random.random(rows) < 0.01) & (critical == 0)  # noqa: PLR2004
    children = np.flatnonzero(random.random(rows) < 1 / 3)
    child_begins = begins[children] + took[children] // 20
    child_took = (took[children] * (0.3 + 0.6 * random.random(len(children)))).astype(np.int64)
    kinds = random.integers(0, len(CHILDREN), len(children))
    none = pa.nulls(rows, pa.string())
    order = np.argsort(np.concatenate([begins, child_begins]), kind="stable")
    ends = np.concatenate([begins + took, child_begins + child_took])
    both = np.concatenate([np.arange(rows), children])
    names = pa.concat_arrays(
        [pa.array([CORE] * rows, type=pa.string()), encode.chosen(kinds, CHILDREN)]
    )
    is_child = (np.arange(len(both)) >= rows).astype(np.int64)
    attributes = (
        '{"decision.critical":false}',
        '{"decision.critical":true}',
        '{"step":true}',
    )
    codes = np.where(is_child == 1, 2, critical[both])
    answers = np.where(refused, HTTP_REFUSED, HTTP_OK)[both]
    table = pa.table(
        [
            traces.take(pa.array(both)),
            pa.concat_arrays([spans, encode.random_hexadecimal(random, len(children), 1)]),
            pa.concat_arrays([none, spans.take(pa.array(children))]),
            names,
            pa.array(["mbp-engine"] * len(both), type=pa.string()),
            encode.chosen(is_child, ("server", "internal")),
            pa.array(np.concatenate([begins, child_begins])),
            pa.array(ends),
            encode.chosen(is_child, ("OK", "UNSET")),
            pa.array(answers, mask=is_child == 1),
            encode.chosen(codes, attributes),
            _arrived(ends // 1000, random),
        ],
        schema=schema.SCHEMAS["ops.otel_spans"],
    )
    return table.take(pa.array(order))


def _release(parameters: Parameters, at: int) -> str:
    """Commit of the software that ran at an instant: a new release every third of the period."""
    third = 3 * (at - parameters.start_us) // parameters.length_us
    return RELEASES[max(0, min(2, third)) + 1]


def _audit(
    parameters: Parameters,
    hour: int,
    *,
    ordinary: Integers,
    traces: pa.Array,
    critical: list[SimulatedDecision],
    random: np.random.Generator,
) -> pa.Table:
    """Every critical decision, and one ordinary decision in eight."""
    rows = [
        (made.occurred_at, made.trace_id, made.action, True, made.actor, made.entity_type,
         made.entity_id)
        for made in critical
    ]  # fmt: skip
    for index in np.flatnonzero(random.random(len(ordinary)) < 1 / 8).tolist():
        moment, account = int(ordinary[index]), int(random.integers(0, 400))
        order = f"ord-{hour:04d}-{index:06d}"
        rows.append((moment, traces[index].as_py(), "order.accept", False, f"account-{account}",
                     "order", order))  # fmt: skip
    rows.sort(key=lambda row: (row[0], row[1]))
    at = np.array([row[0] for row in rows], dtype=np.int64)
    return pa.table(
        [
            pa.array([f"aud-{hour:04d}-{n:06d}" for n in range(len(rows))], type=pa.string()),
            pa.array([row[1] for row in rows], type=pa.string()),
            pa.array([row[2] for row in rows], type=pa.string()),
            pa.array([row[3] for row in rows], type=pa.bool_()),
            pa.array([pseudonym(row[4]) for row in rows], type=pa.string()),
            pa.array([_release(parameters, row[0]) for row in rows], type=pa.string()),
            pa.array([row[5] for row in rows], type=pa.string()),
            pa.array([row[6] for row in rows], type=pa.string()),
            encode.instants(at),
            _arrived(at, random),
        ],
        schema=schema.SCHEMAS["ops.audit_log"],
    )


def _web_vitals(parameters: Parameters, hour: int, random: np.random.Generator) -> pa.Table:
    """INP of page visits: about a quarter of the decisions are seen by a browser."""
    at = _moments(parameters, hour, parameters.rps / 4, random)
    rows = len(at)
    value = 90.0 * np.exp(0.45 * random.standard_normal(rows))
    thousandths = np.rint(np.minimum(value, 900.0) * 1000).astype(np.int64)
    rating = np.digitize(thousandths, [200_001, 500_001])
    sessions = random.integers(0, 2_000, rows)
    number = np.arange(1, rows + 1)
    return pa.table(
        [
            encode.numbered("inp-", (np.full(rows, hour), 4), (number, 6)),
            encode.chosen(random.integers(0, len(PAGES), rows), PAGES),
            pa.array(["INP"] * rows, type=pa.string()),
            encode.decimals(thousandths, schema.MILLISECONDS),
            encode.chosen(rating, RATINGS),
            encode.chosen(
                np.floor(len(NAVIGATIONS) * random.random(rows) ** 2).astype(np.int64), NAVIGATIONS
            ),
            pa.array([pseudonym(f"session-{n}") for n in sessions.tolist()], type=pa.string()),
            encode.instants(at),
            _arrived(at, random),
        ],
        schema=schema.SCHEMAS["ops.rum_events"],
    )


def _log_lines(
    hour: int,
    ordinary: Integers,
    traces: pa.Array,
    random: np.random.Generator,
) -> pa.Table:
    """Sampled lines of one decision in five; a body never names a person."""
    index = np.flatnonzero(random.random(len(ordinary)) < 1 / 5)
    rows = len(index)
    line = np.floor(len(LOG_LINES) * random.random(rows) ** 1.5).astype(np.int64)
    at = ordinary[index] - random.integers(0, 40_000, rows)
    return pa.table(
        [
            encode.numbered("log-", (np.full(rows, hour), 4), (np.arange(1, rows + 1), 6)),
            encode.chosen(random.integers(0, 2, rows), ("mbp-engine", "mbp-web")),
            encode.chosen(line, [entry[0] for entry in LOG_LINES]),
            encode.chosen(line, [entry[1] for entry in LOG_LINES]),
            traces.take(pa.array(index)),
            encode.instants(at),
            _arrived(at, random),
        ],
        schema=schema.SCHEMAS["ops.log_samples"],
    )


def _heartbeats(parameters: Parameters, hour: int) -> pa.Table:
    """One commit per table and interval that went through the whole path, so quiet tables have a lag."""
    random = parameters.stream("heartbeats", hour)
    per_hour = HOUR // HEARTBEAT_EVERY
    beat = np.repeat(np.arange(per_hour, dtype=np.int64), len(HOT_TABLES))
    table = np.tile(np.arange(len(HOT_TABLES)), per_hour)
    at = parameters.start_us + hour * HOUR + beat * HEARTBEAT_EVERY + (table + 1) * SECOND
    return pa.table(
        [
            encode.numbered("beat-", (hour * per_hour + beat, 6), (table, 1)),
            encode.chosen(table, HOT_TABLES),
            encode.instants(at),
            _arrived(at, random),
        ],
        schema=schema.SCHEMAS["ops.cdc_heartbeats"],
    )


def _ci_checks(parameters: Parameters) -> pa.Table:
    """All checks of every release; the one that failed was run again and passed."""
    random = parameters.stream("ci")
    rows: list[tuple[str, str, str, str, str, int, int]] = []
    for release, commit in enumerate(RELEASES):
        begins = parameters.start_us + release * parameters.length_us // 6 + 11 * MINUTE
        for check in CHECKS:
            took = int((20 + 200 * random.random()) * SECOND)
            attempts = ["success"]
            if release == 2 and check == "unit-tests":  # noqa: PLR2004
                attempts = ["failure", "success"]
            for attempt, conclusion in enumerate(attempts):
                at = begins + attempt * 25 * MINUTE
                key = f"chk-{release:02d}-{check}-{attempt + 1}"
                rows.append((key, check, commit, "completed", conclusion, at, at + took))
    rows.sort(key=lambda row: (row[6], row[0]))
    completed = np.array([row[6] for row in rows], dtype=np.int64)
    types = schema.SCHEMAS["ops.ci_checks"]
    columns = [
        column_of([row[place] for row in rows], types.field(place).type) for place in range(7)
    ]
    return pa.table([*columns, _arrived(completed, random)], schema=types)
