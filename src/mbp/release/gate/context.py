"""What the rules of a gate read: one warehouse, one source, one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from mbp.core import moments
from mbp.core.errors import MbpError
from mbp.operate.hooks.hook_state import LockOf
from mbp.operate.hooks.watch import PolicyAndWindows, look
from mbp.release.documents import DocumentReport, check_documents
from mbp.release.gate.origin import Origin, origin_of
from mbp.release.waivers import Waivers, valid_waivers
from mbp.runs import envelope
from mbp.runs.claims import UNSAID, Asked, objections, whole_text
from mbp.runs.preflight import SAMPLE, raw_origin, refuse_sample_over_loaded
from mbp.runs.run_control import RunControl, data_state, read_control
from mbp.runs.working_copy import WorkingCopy, source_of
from mbp.warehouse import Warehouse, connect

T = TypeVar("T")


class NotMeasuredError(MbpError):
    """Nothing can be said: there is no value, or one that is not of what is to be released."""


class Remembered(Generic[T]):
    """A property that is read once; an `MbpError` is remembered too, and raised for each rule that asks."""

    def __init__(self, read: Callable[[Any], T]) -> None:
        self.read, self.__doc__ = read, read.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"_{name}"

    def __get__(self, instance: object, owner: type) -> T:
        values = vars(instance)
        if self.name not in values:
            try:
                values[self.name] = self.read(instance)
            except MbpError as error:
                values[self.name] = error
        if isinstance(values[self.name], MbpError):
            raise values[self.name]
        value: T = values[self.name]
        return value


@dataclass(frozen=True)
class Context:
    """Everything that is read once for all rules; what cannot be read fails each rule that needs it.

    Attributes:
        now: by the clock of this machine, in UTC.
        max_age_hours: of evidence, where a check says nothing else.
        waivable: check -> whether a waiver may cover it.
    """

    root: Path
    target: str
    now: datetime
    max_age_hours: int
    waivable: Mapping[str, bool]

    @Remembered
    def source(self) -> WorkingCopy:
        """Raises:
        MbpError: not a git repository.
        """
        return source_of(self.root)

    @Remembered
    def control(self) -> RunControl:
        """The identity of the warehouse and the runs that were made in it.

        Raises:
            MbpError: it cannot be read, or has no identity.
        """
        with self.warehouse() as warehouse:
            return read_control(warehouse)

    @Remembered
    def data(self) -> str:
        """Raises:
        MbpError: the public datasets cannot be read.
        """
        with self.warehouse() as warehouse:
            return data_state(self.root, warehouse)

    @Remembered
    def origin(self) -> Origin:
        """Where the data comes from.

        Raises:
            MbpError: the warehouse cannot be read, or was not built.
        """
        with self.warehouse() as warehouse:
            return origin_of(self.root, warehouse)

    @Remembered
    def look(self) -> PolicyAndWindows:
        """What hooks and alarms say of the warehouse.

        Raises:
            MbpError: policy or warehouse cannot be used, or the project's now is too old.
        """
        seen = look(self.root, self.target)
        with self.warehouse() as warehouse:
            refuse_sample_over_loaded(warehouse)
        # The sample is a replay, and its clock is stopped. Live data that is judged by a clock of the past
        # would show the KPIs of then.
        limit = None if raw_origin() == SAMPLE else timedelta(hours=self.max_age_hours)
        if why := moments.objection(seen.picture.now, self.now, limit):
            raise NotMeasuredError(
                f"the project's now is {why}",
                fix="correct _loaded_at or MBP_NOW; build loaded data without MBP_NOW",
            )
        return seen

    @Remembered
    def documents(self) -> DocumentReport:
        """Every document of the project, checked.

        Raises:
            MbpError: what they are held to cannot be read.
        """
        return check_documents(self.root)

    @Remembered
    def waivers(self) -> Waivers:
        """Every waiver, judged.

        Raises:
            MbpError: something that judges them cannot be used.
        """
        return valid_waivers(self.root, self.now, gate_checks=self.waivable)

    def warehouse(self) -> Warehouse:
        """A connection that only reads.

        Raises:
            MbpError: it cannot be opened.
        """
        return connect(self.root, self.target, read_only=True)

    def max_age(self, source: Mapping[str, Any]) -> timedelta:
        """At most so old may the evidence of a check be."""
        return timedelta(hours=source.get("max_age_hours", self.max_age_hours))

    def evidence(self, source: Mapping[str, Any]) -> envelope.Evidence:
        """The measurement that a check names, when it counts.

        Args:
            source: of the check: `evidence`, and perhaps `of` and `max_age_hours`.

        Raises:
            NotMeasuredError: there is none, or it is of another source, warehouse, run or data, or too old.
        """
        try:
            measurement = envelope.read(self.root, source["evidence"])
        except envelope.NoEvidenceError as error:
            raise NotMeasuredError("not measured yet", path=error.path) from error
        asked = self.asked(
            measurement,
            needs_data="data" in source.get("of", ["source"]),
            max_age=self.max_age(source),
        )
        if reasons := objections(measurement.claim, asked):
            raise NotMeasuredError(
                f"no evidence any more: {whole_text(reasons)}", path=measurement.path
            )
        return measurement

    def asked(
        self, evidence: envelope.Evidence, *, needs_data: bool, max_age: timedelta | None
    ) -> Asked:
        """What is asked of a measurement; the warehouse is read only for one that is of its target.

        Raises:
            MbpError: not a git repository, or a warehouse that cannot be read.
        """
        here = evidence.target == self.target
        return Asked(
            now=self.now,
            target=self.target,
            source=self.source.digest,
            control=self.control if here else None,
            data=self.data if here and evidence.data is not None else UNSAID,
            needs_data=needs_data,
            max_age=max_age,
        )

    def lock_of(self) -> LockOf:
        """What the release lock has to be of.

        Raises:
            MbpError: not a git repository, or the warehouse has no identity.
        """
        return LockOf(self.target, self.control.warehouse_id, self.source.digest)
