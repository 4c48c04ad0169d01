"""What a data contract says, as plain values: no YAML, no places but the line it was read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, Protocol

from mbp.core.errors import MbpError

# All readers may see these; a class that is not among them is masked for readers, an unknown word too.
OPEN_CLASSES = frozenset({"public", "internal"})
Severity = Literal["error", "warning"]
Origin = Literal["derived", "explicit"]


class Place(Protocol):
    """What says where a relation is: an open warehouse."""

    @property
    def engine(self) -> str: ...
    @property
    def target(self) -> str: ...


@dataclass(frozen=True)
class Reference:
    """A foreign key: the dataset and the column a value must be found in."""

    dataset: str
    column: str
    line: int | None = None


@dataclass(frozen=True)
class ChangeLog:
    """The change log that a dataset is the latest state of; everything between the two follows from it.

    Attributes:
        table: at the source, and of the raw table.
        key: column that identifies a row; the key of the dataset.
        source: family of raw tables, whose schema is `raw_<source>`.
    """

    table: str
    key: str
    source: str

    @property
    def raw(self) -> str:
        """`<source>.<table>`: what raw tables are called."""
        return f"{self.source}.{self.table}"

    @property
    def staging(self) -> str:
        """Model of the typed changes."""
        return f"stg_{self.source}__{self.table}"

    @property
    def latest(self) -> str:
        """Model of the change in force of every key."""
        return f"int_{self.source}__{self.table}_latest"


@dataclass(frozen=True)
class Column:
    """One column of a dataset.

    Attributes:
        physical_type: the type that dbt is given; the same text is valid on every engine.
        physical_types: engine ('duckdb', 'postgres', 'spark') -> type as its catalog writes it.
        options: bounds, pattern and lengths of ODCS `logicalTypeOptions`.
        unit: what one means; only numbers have one.
        rule_reasons: family of a derived rule -> reason of its threshold.
        derived: the model computes it; no change log has it.
    """

    name: str
    logical_type: str
    physical_type: str
    physical_types: Mapping[str, str]
    required: bool
    unique: bool
    primary_key: bool
    classification: str
    description: str
    unit: str | None = None
    reference: Reference | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    rule_reasons: Mapping[str, str] = field(default_factory=dict)
    derived: bool = False
    line: int | None = None

    @property
    def open(self) -> bool:
        """Whether readers see its values."""
        return self.classification in OPEN_CLASSES


@dataclass(frozen=True)
class ServiceLevel:
    """One service level of ODCS `slaProperties`.

    Attributes:
        kind: freshness, latency, completeness, retention, ...
        seconds: the value as a duration; None where the unit is not one of time.
    """

    kind: str
    value: Any
    unit: str
    seconds: int | None
    driver: str | None
    description: str
    line: int | None = None


@dataclass(frozen=True)
class Rule:
    """One thing that must hold, and the dbt test that shows it.

    Attributes:
        id: the same name in the contract, in dbt, in a finding and in the bad project.
        columns: what the rule reads: names of the dataset, or `dataset.column` of another one.
        optional: other datasets that it reads only where the source has them.
        test: the generic test.
        arguments: of the test, without `column_name`.
        column: the column that is tested; None when the dataset is.
        origin: 'derived' from the schema or the service levels, or an 'explicit' quality entry.
    """

    id: str
    dataset: str
    family: str
    dimension: str
    severity: Severity
    owner: str
    description: str
    reason: str | None
    expires: date | None
    columns: tuple[str, ...]
    test: str
    arguments: Mapping[str, Any]
    origin: Origin
    path: str
    line: int | None
    column: str | None = None
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contract:
    """The contract of one dataset.

    Attributes:
        grain: what one row is, without the full stop.
        path: of the contract, relative to the project.
        schemas: name and type of each of its servers -> schema of the relation there.
        change_log: None for a model of other models, a seed, or another dataset without a log of its changes.
    """

    dataset: str
    contract_id: str
    name: str
    version: str
    status: str
    owner: str
    purpose: str
    usage: str | None
    limitations: str | None
    grain: str
    columns: tuple[Column, ...]
    service_levels: tuple[ServiceLevel, ...]
    support_channels: tuple[str, ...]
    rules: tuple[Rule, ...]
    path: str
    change_log: ChangeLog | None = None
    schemas: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> Column:
        """The column that identifies a row; loading made sure that there is one."""
        return next(column for column in self.columns if column.primary_key)

    @property
    def logged_columns(self) -> tuple[Column, ...]:
        """The columns of the change log, the key first; the model computes the others."""
        logged = (column for column in self.columns if not column.derived)
        return tuple(sorted(logged, key=lambda column: not column.primary_key))

    def schema_in(self, warehouse: Place) -> str:
        """The schema of the relation in the warehouse of a target.

        Raises:
            MbpError: the contract names no server for it.
        """
        for name in (warehouse.target, warehouse.engine):
            if name in self.schemas:
                return self.schemas[name]
        raise MbpError(
            f"no server {warehouse.target!r} with a schema",
            path=self.path,
            fix=f"add under servers: {{server: {warehouse.target}, type: {warehouse.engine}, schema: ...}}",
        )

    def service_level(self, kind: str) -> ServiceLevel | None:
        """The service level of that kind, None when the contract has none."""
        return next((level for level in self.service_levels if level.kind == kind), None)

    def column_line(self, name: str) -> int | None:
        """Line of the column in `path`."""
        return next((column.line for column in self.columns if column.name == name), None)
