"""The order of changes is the order in which the source committed them. Everything that compares two uses this.

A change's own LSN says when it was written, and a transaction that is long open writes before others that commit first.
`__source_lsn` is therefore the LSN of the change where that is in order, and otherwise the number after the last one:
the higher number is always the later commit, within a transaction the later change, and any number of a new epoch is
higher than all of the old ones, whatever the LSNs of its server.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One history of LSNs. Another server or a promoted standby begins a new one."""

    system_identifier: str
    timeline: int

    def __str__(self) -> str:
        return f"system {self.system_identifier}, timeline {self.timeline}"


@dataclass(frozen=True)
class SourcePlace:
    """How far a source was applied.

    Attributes:
        lsn: everything committed before it is in the warehouse; below 0: a first snapshot was begun, and not ended.
        last: the highest `__source_lsn` so far.
        epoch: whose LSNs these are; None: an older release did not write it down, or the reader cannot know.
    """

    lsn: int
    last: int | None = None
    epoch: Epoch | None = None


@dataclass(frozen=True)
class Ordered:
    """What a change of another pipeline says of its place in that order.

    Attributes:
        number: its `__source_lsn`.
        lsn: its own; one less for a row of a snapshot (`change_shape.before`).
        milliseconds: Unix time of its commit; of a row of a snapshot, when it was read.
        after: where the commit before its transaction ended; 0: there was none since the pipeline began; None: the
            pipeline does not say.
    """

    number: int
    lsn: int
    kind: str
    milliseconds: int
    after: int | None = None


def follows(change: Ordered, newest: Ordered) -> bool | None:
    """Whether a change was committed after the newest one of its key, which has a higher number; None: not known.

    It was when it is of a transaction that was open while the snapshot was made, or of another server. It was not when
    it is delivered late.
    """
    if change.lsn > newest.lsn or change.milliseconds > newest.milliseconds:
        return True
    if change.kind == "r":
        return False
    if change.after is None:
        return None if newest.kind == "r" else False
    # A transaction that wrote this row before was committed before: its changes are not after the last commit.
    return newest.lsn < change.after if change.after else newest.kind == "r"


def next_number(lsn: int, last: int) -> int:
    """The `__source_lsn` of what is written at `lsn` and comes after everything up to `last`."""
    return lsn if lsn > last else last + 1
