"""What the rules of a gate read: one warehouse, where its data comes from, one source, one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from mbp.contracts import load_contracts
from mbp.contracts.raw_columns import logged
from mbp.core import moments
from mbp.core.errors import MbpError
from mbp.core.settings import load_settings
from mbp.core.wording import few
from mbp.ingest.raw_tables import CDC_LANDED, CDC_POSITIONS, LOADS
from mbp.operate.hooks.hook_state import LockOf
from mbp.operate.hooks.watch import PolicyAndWindows, look
from mbp.release.documents.document_checks import DocumentReport, check_documents
from mbp.release.waivers.waiver_check import Waivers, valid_waivers
from mbp.runs import envelope
from mbp.runs.claims import UNSAID, Asked, objections, whole_text
from mbp.runs.preflight import SAMPLE, raw_origin, refuse_sample_over_loaded
from mbp.runs.run_control import RunControl, data_state, read_control
from mbp.runs.working_copy import WorkingCopy, source_of
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.relations import exists, query

STAGING = "staging"
T = TypeVar("T")


@dataclass(frozen=True)
class Origin:
    """Where the data comes from.

    Attributes:
        sample: it is the committed sample.
        sources: loads and change data capture that the warehouse recorded; empty: none.
        newest: the last commit in the change logs; None: there is none.
    """

    sample: bool
    sources: Sequence[str]
    newest: datetime | None

    @property
    def sentence(self) -> str:
        """Such as: the committed sample as of 2026-01-06 17:50 UTC."""
        known = few(list(self.sources)) if self.sources else "data whose origin is not recorded"
        when = f" as of {self.newest:%Y-%m-%d %H:%M} UTC" if self.newest else ""
        return f"{'the committed sample' if self.sample else known}{when}"


def is_sample(root: Path) -> bool:
    """Whether a build publishes the committed sample.

    Raises:
        MbpError: `MBP_RAW` holds something else than where rows may come from.
    """
    return raw_origin() == SAMPLE and not load_settings(root).hosted


def origin_of(root: Path, warehouse: Warehouse) -> Origin:
    """Where the data of the warehouse comes from.

    Raises:
        MbpError: the warehouse was not built.
    """
    sample = is_sample(root)
    newest: list[datetime] = []
    for _, log in logged(load_contracts(root)):
        name = f"{STAGING}.{log.staging}"
        _, rows = query(warehouse, f"select max(committed_at) from {name}", name)
        newest += [row[0] for row in rows if row[0] is not None]
    last = max(newest).astimezone(UTC) if newest else None
    return Origin(sample, () if sample else _recorded(warehouse), last)


def _recorded(warehouse: Warehouse) -> Sequence[str]:
    landed = _names(warehouse, CDC_LANDED, "slot")
    return [
        *(f"loads of {name}" for name in _names(warehouse, LOADS, "source")),
        *(f"files landed by {name}" for name in landed),
        *(
            f"change data capture by {name}"
            for name in _names(warehouse, CDC_POSITIONS, "slot")
            if name not in landed
        ),
    ]


def _names(warehouse: Warehouse, table: str, column: str) -> list[str]:
    if not exists(warehouse, *table.split(".")):
        return []
    _, rows = warehouse.query(f"select distinct {column} from {table} order by 1")
    return [str(row[0]) for row in rows]


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
