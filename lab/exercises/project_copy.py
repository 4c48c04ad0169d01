"""An isolated copy of the project at a moment of the sample: own database, registry, ledger and outbox."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mbp.contracts.policy import NOT_DEMANDED, POLICY
from mbp.operate.degrade.reader_snapshot import take
from mbp.operate.hooks.hook_coverage import Collected
from mbp.operate.hooks.kpi_collect import collect
from mbp.operate.hooks.watch import HookEvaluationRecord, watch_once
from mbp.runs.dbt_process import demand, environment, run_dbt
from mbp.runs.preflight import install_packages
from mbp.warehouse import Warehouse, connect

TARGET = "duckdb"
DATABASE = "mbp.duckdb"
# Everything that contracts, dbt and hooks read; not what was built.
PARTS = (
    "contracts",
    "docs",
    "macros",
    "models",
    "packages",
    "seeds",
    "tests/dbt",
    "dbt_project.yml",
    "packages.yml",
    "profiles.example.yml",
    "selectors.yml",
)


def copy_parts(project: Path, folder: Path) -> None:
    """Copies what dbt and the program read of a project."""
    for part in PARTS:
        source, copy = project / part, folder / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, symlinks=True)
        else:
            shutil.copy2(source, copy)


ARRIVING = {"sample_mbp": "later_mbp", "sample_ops": "later_ops"}
MEASURES = ("run", "--full-refresh", "--select", "+models/marts/reliability")


@dataclass(frozen=True)
class ProjectCopy:
    """One copy. Every command on it runs inside of `inside()`.

    Attributes:
        manifest: dbt's parsed project, shared by the copies whose files are the same.
    """

    root: Path
    now: str
    manifest: Any

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The environment of the copy: nothing of it leads to the user's own data or endpoints."""
        own = {
            "MBP_DUCKDB_PATH": str(self.root / DATABASE),
            "MBP_RAW": "sample",
            "MBP_NOW": self.now,
            "MBP_STATE_DIR": ".mbp",
            "MBP_HOOK_URL": "",
            "MBP_HOOK_SECRET": "",
            "MBP_ALERTMANAGER_URL": "",
            "DBT_TARGET": TARGET,
            "DBT_TARGET_PATH": "target",
            "MBP_PROJECT_DIR": str(self.root),
        }
        with environment(own):
            yield

    def watch(self) -> HookEvaluationRecord:
        """One evaluation."""
        with self.inside():
            return watch_once(self.root, TARGET)

    def collect(self) -> list[Collected]:
        """The KPIs of the runs."""
        with self.inside():
            return collect(self.root, TARGET)

    def measure(self) -> None:
        """Computes everything that is measured again."""
        with self.inside():
            demand(run_dbt(self.root, MEASURES, manifest=self.manifest, quiet=True))

    def build(self) -> None:
        """dbt build with its tests; their verdict is what is asked for, so failing ones are no error."""
        arguments = ["build", "--full-refresh", "--exclude", "resource_type:seed", "raw_*"]
        with self.inside():
            run_dbt(self.root, arguments, manifest=self.manifest, quiet=True)

    def snapshot(self) -> None:
        """What readers are degraded to; the build must have been green."""
        with self.inside():
            take(self.root, TARGET)

    @contextmanager
    def open(self) -> Iterator[Warehouse]:
        """The database of the copy."""
        with self.inside(), connect(self.root, TARGET) as warehouse:
            yield warehouse

    def inject(self, statements: Sequence[str]) -> None:
        """Runs SQL on what arrived; changes and deletes also on what will arrive."""
        with self.open() as warehouse:
            for statement in statements:
                warehouse.execute(statement.format(mbp="sample_mbp", ops="sample_ops"))
                if not statement.lstrip().lower().startswith("insert"):
                    warehouse.execute(statement.format(mbp="later_mbp", ops="later_ops"))

    def copy(self, root: Path) -> ProjectCopy:
        """The same world elsewhere; file times are kept, because staleness is judged by them."""
        shutil.copytree(self.root, root, symlinks=True)
        return ProjectCopy(root, self.now, self.manifest)

    def advanced(self, now: str) -> ProjectCopy:
        """The same folder, later: what arrives until then is there, and is measured."""
        later = ProjectCopy(self.root, now, self.manifest)
        with later.open() as warehouse:
            for schema, waiting in ARRIVING.items():
                for table in tables_of(warehouse, waiting):
                    arrived = f"where _loaded_at <= timestamptz '{now}+00:00'"
                    warehouse.execute(
                        f"insert into {schema}.{table} select * from {waiting}.{table} {arrived}"
                    )
                    warehouse.execute(f"delete from {waiting}.{table} {arrived}")
        later.measure()
        return later


def first_world(project: Path, root: Path, now: str) -> ProjectCopy:
    """Copies the project, builds it with all tests from what had arrived by `now`, and evaluates once.

    The world begins with an empty ledger, with every hook evaluated, and with every hook taken as exercised:
    what is wrong in it later is the fault alone.

    Raises:
        MbpError: the project cannot be built.
    """
    copy_parts(project, root)
    world = ProjectCopy(root, now, None)
    with world.inside():
        install_packages(root)
        world = ProjectCopy(root, now, demand(run_dbt(root, ["parse"], quiet=True)).result)
        _excuse_seeds(world)
        demand(
            run_dbt(root, ["seed", "--full-refresh"], manifest=world.manifest, quiet=True),
        )
    with world.open() as warehouse:
        for schema, waiting in ARRIVING.items():
            warehouse.execute(f"create schema {waiting}")
            for table in tables_of(warehouse, schema):
                later = f"where _loaded_at > timestamptz '{now}+00:00'"
                warehouse.execute(
                    f"create table {waiting}.{table} as select * from {schema}.{table} {later}"
                )
                warehouse.execute(f"delete from {schema}.{table} {later}")
    world.build()
    world.snapshot()
    world.watch()
    return world


def _excuse_seeds(world: ProjectCopy) -> None:
    """The policy of the copy: its builds count without the seeds, whose rows the world itself lets arrive."""
    seeds = {
        name for name, node in world.manifest.nodes.items() if str(node.resource_type) == "seed"
    }
    tests = {
        name
        for name, node in world.manifest.nodes.items()
        if str(node.resource_type) == "test" and seeds.intersection(node.depends_on.nodes)
    }
    yaml = YAML(typ="rt")
    path = world.root / POLICY
    document = yaml.load(path.read_text(encoding="utf-8"))
    until = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    document["exceptions"] += [
        {
            "code": NOT_DEMANDED,
            "object": name,
            "owner": next(iter(document["owners"])),
            "reason": "the exercise fills it",
            "until": until,
        }
        for name in sorted(seeds | tests)
    ]
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)


def forget(world: ProjectCopy) -> None:
    """Empties ledger, lock and outbox; evaluations stay."""
    with world.open() as warehouse:
        warehouse.execute("delete from reliability.hook_events")
    shutil.rmtree(world.root / ".mbp", ignore_errors=True)


def tables_of(warehouse: Warehouse, schema: str) -> list[str]:
    """Tables of a schema, by name."""
    _, rows = warehouse.query(
        f"select table_name from information_schema.tables where table_schema = '{schema}' order by 1"
    )
    return [row[0] for row in rows]
