"""How old is an instant? The one place that compares an instant with a clock.

An instant later than now plus the skew has no age: the clock that wrote it or the clock that reads it is wrong, or
was set back. A plain difference would be below every limit, for as long as the clock needs to catch up.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

# Between the clocks of machines that write files and of those that read them. The tighter `mbp_clock_skew_seconds` of
# dbt_project.yml is for clocks whose differences are measured as lags, and is given as `skew` where it applies.
CLOCK_SKEW = timedelta(minutes=5)
TWO_HOURS, FOUR_DAYS = timedelta(hours=2), timedelta(days=4)


def today() -> date:
    """The present day in UTC, which expiry dates are held against."""
    return datetime.now(UTC).date()


class FutureError(ValueError):
    """The instant is later than now plus the skew."""


def age(moment: datetime, now: datetime, *, skew: timedelta = CLOCK_SKEW) -> timedelta:
    """How long ago it was; zero within the skew. Both instants have an offset.

    Raises:
        FutureError: it is later than now plus the skew.
    """
    if moment - now > skew:
        raise FutureError(
            f"in the future, at {moment.isoformat(timespec='seconds')}, which is {span(moment - now)} after now:"
            " a clock is wrong, or was set back"
        )
    return max(now - moment, timedelta(0))


def objection(
    moment: datetime, now: datetime, limit: timedelta | None, *, skew: timedelta = CLOCK_SKEW
) -> str | None:
    """Why what is of that instant counts no longer or not yet, to follow a word like "measured"; None when it counts.

    Args:
        limit: the largest age; None: any.
    """
    try:
        duration = age(moment, now, skew=skew)
    except FutureError as error:
        return str(error)
    if limit is not None and duration > limit:
        return f"{span(duration)} ago, at most {span(limit)} count"
    return None


def is_future(moment: datetime, now: datetime, *, skew: timedelta = CLOCK_SKEW) -> bool:
    """Whether it is later than now plus the skew."""
    return objection(moment, now, None, skew=skew) is not None


def dated(moment: datetime, now: datetime, limit: timedelta) -> str:
    """The instant beside the limit of its age; empty for an instant of the future.

    The instant, because an age is another one a minute later: the same evidence would give another pack.
    """
    if is_future(moment, now):
        return ""
    return f"of {moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC (limit {span(limit)})"


def span(length: timedelta) -> str:
    """A length of time for people."""
    if length >= FOUR_DAYS:
        return f"{length / timedelta(days=1):.0f} days"
    if length >= TWO_HOURS:
        return f"{length.total_seconds() / 3600:.0f} h"
    return f"{length.total_seconds() / 60:.0f} min"
