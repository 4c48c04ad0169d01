"""The clean sample breaks no rule, judged by SQL and Python of its own."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest

from lab.simulate import Parameters, RawWorld
from lab.simulate.schema import KEYS

FIVE_MINUTES = timedelta(minutes=5)
END = datetime(2026, 1, 7, tzinfo=UTC)

# Each selects the rows that break the rule; (what must be there so that the check means anything).
BROKEN = {
    "keys": (
        "select market_id from markets group by 1 having count(*) > 1",
        "select 1 from markets",
    ),
    "quote keys": (
        "select quote_id from quotes group by 1 having count(*) > 1",
        "select 1 from quotes",
    ),
    "one resolution per market": (
        "select market_id from resolutions group by 1 having count(*) > 1",
        "select 1 from resolutions",
    ),
    "orphans": (
        """select market_id from quotes where market_id not in (select market_id from markets)
        union all select market_id from resolutions
        where market_id not in (select market_id from markets)
        union all select market_id from abuse_events
        where market_id not in (select market_id from markets)
        union all select trade_id from trades
        where market_id not in (select market_id from markets)
        or quote_id not in (select quote_id from quotes)""",
        "select 1 from abuse_events",
    ),
    "trades at their quotes": (
        """select trades.* from trades join quotes using (quote_id) join markets on trades.market_id = markets.market_id
        where trades.price <> quotes.price or trades.shares > quotes.volume
        or trades.market_id <> quotes.market_id or trades.traded_at < quotes.quoted_at""",
        "select 1 from trades",
    ),
    "enums": (
        """select market_id from markets
        where status not in ('open', 'paused', 'closed', 'resolved', 'canceled')
        or truth_source not in ('table', 'manual', 'endpoint')
        union all select abuse_event_id from abuse_events
        where kind not in ('burst', 'rate_limit', 'manipulation')
        or severity not in ('low', 'medium', 'high')
        or action_taken not in ('paused', 'limited', 'alert_only')
        union all select resolution_id from resolutions
        where source_kind not in ('table', 'manual', 'endpoint')""",
        "select 1 from abuse_events",
    ),
    "price range": (
        "select * from quotes where not (price > 0 and price < 1 and volume >= 0 and depth_2pct >= 0)",
        "select 1 from quotes where volume > 0",
    ),
    "patterns": (
        """select resolution_id from resolutions
        where not regexp_full_match(audit_trace_id, '[0-9a-f]{32}')
        or not regexp_full_match(rule_version, '[0-9]+[.][0-9]+[.][0-9]+')
        or not regexp_full_match(coalesce(decided_by_hash, repeat('0', 64)), '[0-9a-f]{64}')
        or not regexp_full_match(coalesce(evidence_uri, 's3://x'), '[a-z][a-z0-9+.-]*://[^ ]+')
        union all select abuse_event_id from abuse_events
        where not regexp_full_match(user_id_hash, '[0-9a-f]{64}')""",
        "select 1 from resolutions where evidence_uri is not null",
    ),
    "market clocks": (
        """select * from markets where closes_at <= opened_at or resolution_deadline < closes_at
        or updated_at < created_at""",
        "select 1 from markets",
    ),
    "closed_at matches status": (
        """select * from markets where (status in ('open', 'paused') and closed_at is not null)
        or (status in ('closed', 'resolved', 'canceled') and closed_at is null)""",
        "select 1 from markets where closed_at is not null",
    ),
    "no quote after the close": (
        "select * from quotes join markets using (market_id) where quoted_at > closed_at",
        "select 1 from quotes join markets using (market_id) where closed_at is not null",
    ),
    "resolution audit": (
        """select * from resolutions where source_ref = ''
        or (source_kind = 'manual' and (evidence_uri is null or decided_by_hash is null))""",
        "select 1 from resolutions where source_kind = 'manual'",
    ),
    "resolution clocks": (
        """select * from resolutions join markets using (market_id)
        where started_at > decided_at or decided_at < opened_at
        or decided_at > started_at + interval 24 hours or decided_at < closes_at""",
        "select 1 from resolutions join markets using (market_id) where closed_at < closes_at",
    ),
    "resolved exactly when there is a resolution": (
        """select * from markets where (status = 'resolved')
        <> (market_id in (select market_id from resolutions))""",
        "select 1 from markets where status = 'resolved'",
    ),
    "abuse action": (
        "select * from abuse_events where severity = 'high' and action_taken = 'alert_only'",
        "select 1 from abuse_events where severity = 'high'",
    ),
    "abuse after opening": (
        "select * from abuse_events join markets using (market_id) where detected_at < opened_at",
        "select 1 from abuse_events",
    ),
    "log order": (
        """select * from (
            select __source_ts_ms as committed, lag(__source_ts_ms) over (
                order by __source_lsn) as before from quotes_log
        ) where committed < before
        union all select 1, 1 from (
            select quote_id, __source_lsn from quotes_log
            group by 1, 2 having count(distinct (price, volume, depth_2pct, __op, __source_ts_ms)) > 1)""",
        "select 1 from quotes_log group by quote_id, __source_lsn having count(*) > 1",
    ),
    "positions are unique over all tables": (
        """select __source_lsn from (
            select distinct 'm' as t, market_id as k, __source_lsn from markets_log where __op <> 'r'
            union all select distinct 'q', quote_id, __source_lsn from quotes_log where __op <> 'r'
            union all select distinct 'r', resolution_id, __source_lsn from resolutions_log
            union all select distinct 'a', abuse_event_id, __source_lsn from abuse_events_log
        ) group by 1 having count(*) > 1""",
        "select 1 from abuse_events_log",
    ),
    "lag": (
        """select 1 from (
            select quantile_cont(epoch_ms(_loaded_at) - __source_ts_ms, 0.95) as p95
            from quotes_log where __op <> 'r' and _loaded_at > (
                select max(_loaded_at) - interval 24 hours from quotes_log
            )) where p95 > 20000""",
        "select 1 from quotes_log where epoch_ms(_loaded_at) - __source_ts_ms > 10000",
    ),
    "arrival before commit": (
        "select 1 from quotes_log where epoch_ms(_loaded_at) < __source_ts_ms",
        "select 1 from quotes_log",
    ),
    "decisions in time": (
        """select 1 from (
            select quantile_cont(end_time_unix_nano - start_time_unix_nano, 0.95) / 1e6 as p95
            from otel_spans where name = 'decision.core') where p95 >= 800""",
        "select 1 from otel_spans where name = 'decision.core'",
    ),
    "pages react": (
        """select page from rum_events where metric_name = 'INP'
        group by page having quantile_cont(value_ms, 0.75) >= 200""",
        "select 1 from rum_events where rating = 'needs-improvement'",
    ),
    "critical decisions are audited completely": (
        """select spans.trace_id from otel_spans as spans left join audit_log using (trace_id)
        where attributes like '%critical":true%'
        and (audit_id is null or not is_critical or commit_sha is null or actor_hash is null)""",
        "select 1 from audit_log where is_critical",
    ),
    "audit without a span": (
        "select 1 from audit_log where trace_id not in (select trace_id from otel_spans)",
        "select 1 from audit_log",
    ),
    "resolutions have an audit record": (
        "select 1 from resolutions where audit_trace_id not in (select trace_id from audit_log)",
        "select 1 from resolutions",
    ),
    "log lines name nobody": (
        "select 1 from log_samples where regexp_matches(body, '@|[0-9]{5,}')",
        "select 1 from log_samples",
    ),
    "newest commit passed its checks": (
        """select 1 from ci_checks where conclusion <> 'success'
        and commit_sha = (select max_by(commit_sha, completed_at) from ci_checks)""",
        "select 1 from ci_checks where conclusion = 'failure'",
    ),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_the_clean_sample_keeps_the_rule(rule: str, clean: duckdb.DuckDBPyConnection) -> None:
    broken, witness = BROKEN[rule]
    assert clean.execute(witness).fetchone(), "nothing to check"
    assert clean.execute(broken).fetchall() == []


class History:
    """When a market was open or paused, from its change log."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.paused: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
        self.open: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
        log: dict[str, list[tuple[str, datetime, datetime, datetime | None]]] = defaultdict(list)
        for market, status, updated, opened, closed in connection.execute(
            """select distinct on (market_id, __source_lsn) market_id, status, updated_at,
            opened_at, closed_at from markets_log order by market_id, __source_lsn"""
        ).fetchall():
            log[market].append((status, max(updated, opened), updated, closed))
        for market, changes in log.items():
            for number, (status, effective, _updated, _closed) in enumerate(changes):
                until = END + timedelta(days=1)
                if number + 1 < len(changes):
                    following = changes[number + 1]
                    until = following[3] or following[1]
                begins = effective if status == "open" else _updated
                if status in ("open", "paused"):
                    getattr(self, status)[market].append((begins, until))

    def was(self, status: str, market: str, moment: datetime) -> bool:
        return any(a <= moment <= b for a, b in getattr(self, status)[market])


@pytest.fixture(scope="module")
def history(clean: duckdb.DuckDBPyConnection) -> History:
    return History(clean)


def quotes_by_market(
    connection: duckdb.DuckDBPyConnection,
) -> dict[str, list[tuple[datetime, Decimal, Decimal, Decimal, Decimal]]]:
    found = defaultdict(list)
    for market, *quote in connection.execute(
        """select market_id, quoted_at, price, twap_5m, volume, depth_2pct from quotes
        join (select quote_id, max(__source_lsn) as position from quotes_log group by 1)
        using (quote_id) order by market_id, quoted_at, position, quote_id"""
    ).fetchall():
        found[market].append(tuple(quote))
    return found


def test_trades_happen_only_in_open_markets(
    clean: duckdb.DuckDBPyConnection, history: History
) -> None:
    trades = indicative = 0
    floor = dict(clean.execute("select market_id, min_liquidity from markets").fetchall())
    for market, quotes in quotes_by_market(clean).items():
        for quoted_at, _price, _twap, volume, depth in quotes:
            if volume > 0:
                trades += 1
                assert history.was("open", market, quoted_at), (market, quoted_at)
                assert depth >= floor[market]
            else:
                indicative += history.was("paused", market, quoted_at)
    assert trades > 2_000
    assert indicative > 20


def exact_average(
    quotes: list[tuple[datetime, Decimal, Decimal, Decimal, Decimal]], number: int
) -> Decimal:
    """The average by the definition, in exact decimals, without any running sum."""
    moment = quotes[number][0]
    earlier = [quote for quote in quotes if quote[0] < moment]
    if not earlier:
        return quotes[number][1]
    begins = max(moment - FIVE_MINUTES, earlier[0][0])
    first = max(0, bisect_left([quote[0] for quote in earlier], begins) - 1)
    area, weight = Decimal(0), Decimal(0)
    for place in range(first, len(earlier)):
        until = earlier[place + 1][0] if place + 1 < len(earlier) else moment
        inside = (until - max(earlier[place][0], begins)) // timedelta(microseconds=1)
        if inside > 0:
            area += earlier[place][1] * inside
            weight += inside
    return area / weight


def test_the_recorded_average_is_exact(clean: duckdb.DuckDBPyConnection) -> None:
    checked = 0
    for quotes in quotes_by_market(clean).values():
        for number in range(len(quotes)):
            recorded = quotes[number][2]
            assert abs(recorded - exact_average(quotes, number)) <= Decimal("0.00000001")
            checked += 1
    assert checked > 3_800


def test_a_price_leaves_its_average_twice_in_a_row_only_while_paused(
    clean: duckdb.DuckDBPyConnection, history: History
) -> None:
    divergent: dict[str, set[int]] = defaultdict(set)
    excused = 0
    for market, quotes in quotes_by_market(clean).items():
        for quoted_at, price, twap, _volume, _depth in quotes:
            if abs(price - twap) > twap / 100:
                if history.was("paused", market, quoted_at):
                    excused += 1
                else:
                    divergent[market].add(int(quoted_at.timestamp()) // 300)
    assert excused > 0
    assert sum(map(len, divergent.values())) > 3, "news must move prices now and then"
    for windows in divergent.values():
        assert not windows & {window + 1 for window in windows}


def test_every_life_of_a_market_is_in_the_sample(clean: duckdb.DuckDBPyConnection) -> None:
    states = dict(clean.execute("select status, count(*) from markets group by 1").fetchall())
    assert set(states) == {"open", "paused", "closed", "resolved", "canceled"}
    reopened = """
        select count(*) from (select market_id, status, lag(status) over (
            partition by market_id order by __source_lsn) as before from markets_log)
        where status = 'open' and before = 'paused'"""
    assert clean.execute(reopened).fetchone()[0] >= 3
    values = {
        value for (value,) in clean.execute("select decided_value from resolutions").fetchall()
    }
    assert {"YES", "NO", "VOID"} < values
    kinds = {kind for (kind,) in clean.execute("select kind from abuse_events").fetchall()}
    assert kinds == {"burst", "rate_limit", "manipulation"}
    operations = {
        op for (op,) in clean.execute("select __op from quotes_log group by 1").fetchall()
    }
    assert operations == {"r", "c", "u", "d"}


def test_the_log_holds_late_rows_redeliveries_and_a_mistaken_market(
    clean: duckdb.DuckDBPyConnection,
) -> None:
    late = """
        select count(*) from (select __source_lsn, max(__source_lsn) over (
            order by _loaded_at rows between unbounded preceding and 1 preceding) as newest
            from quotes_log) where __source_lsn < newest"""
    assert clean.execute(late).fetchone()[0] >= 5
    deleted = "select market_id from markets_log where __op = 'd'"
    (mistaken,) = clean.execute(deleted).fetchone()
    count = "select count(*) from quotes_log where market_id = ?"
    assert clean.execute(count, [mistaken]).fetchone() == (0,)
    shared = "select count(distinct __source_lsn), count(*) from quotes_log where __op = 'r'"
    positions, rows = clean.execute(shared).fetchone()
    assert positions == 1
    assert rows > 5


def test_quotes_flow_until_the_end(clean: duckdb.DuckDBPyConnection, clean_world: RawWorld) -> None:
    newest = """select max(quoted_at) from quotes join markets using (market_id)
        where status = 'open'"""
    assert END - clean.execute(newest).fetchone()[0] < timedelta(minutes=1)
    everything = [row["_loaded_at"] for table in KEYS for row in clean_world.rows(table)]
    newest_quote = clean.execute("select max(_loaded_at) from quotes_log").fetchone()[0]
    assert max(everything) == newest_quote


def test_every_abuse_event_is_seen_in_the_flow(clean: duckdb.DuckDBPyConnection) -> None:
    events = clean.execute("select market_id, detected_at from abuse_events").fetchall()
    assert len(events) >= 5
    for market, detected in events:
        trades = clean.execute(
            """select count(*) from quotes where market_id = ? and volume > 0
            and quoted_at between ? and ?""",
            [market, detected - timedelta(seconds=65), detected],
        ).fetchone()[0]
        assert trades >= 8, (market, detected)


def test_the_size_is_what_was_asked_for(clean: duckdb.DuckDBPyConnection) -> None:
    asked = Parameters()
    distinct = clean.execute("select count(distinct quote_id) from quotes_log").fetchone()[0]
    assert abs(distinct - asked.quotes) <= 0.05 * asked.quotes
    quoted = "select count(distinct market_id) from quotes"
    assert clean.execute(quoted).fetchone() == (asked.markets,)
    announced = "select count(*) from markets where opened_at > ? and status = 'open'"
    assert clean.execute(announced, [END]).fetchone() == (1,)
