"""A Spark of several processes, from the `pyspark` wheel alone, and what is read from it."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.canonical import CanonicalRelation, canonical_type, canonical_value
from mbp.runs.dbt_process import environment

MASTER = "local-cluster[2,1,1024]"
EXECUTOR = "CoarseGrainedExecutorBackend"
# Spark's own name of a type -> one that the canonical form knows. Its `timestamp` is an instant.
TYPES = {"string": "varchar", "timestamp": "timestamp with time zone", "int": "integer"}


def unavailable() -> str | None:
    """Why Spark cannot be tested here; None when it can."""
    if not all(importlib.util.find_spec(name) for name in ("pyspark", "dbt.adapters.spark")):
        return "pyspark and dbt-spark are not installed"
    return None if shutil.which("java") else "there is no java on the path"


def settings(folder: Path) -> dict[str, str]:
    """Variables of a Spark that keeps everything in `folder` and talks to nobody else."""
    return {
        "MBP_RAW": "sample",
        "MBP_SPARK_MASTER": MASTER,
        "MBP_SPARK_WAREHOUSE": str(folder / "warehouse"),
        "MBP_SPARK_SHUFFLE_PARTITIONS": "2",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "scratch"),
    }


@contextmanager
def started(folder: Path, target: Mapping[str, Any]) -> Iterator[Any]:
    """One session for the whole run: dbt takes the session that is there.

    Args:
        folder: where everything is written.
        target: the dbt target, whose settings are those of a user.
    """
    import pyspark
    from pyspark.sql import SparkSession

    work = Path(pyspark.__file__).parent / "work"  # where executors of a local cluster log
    was_there = work.exists()
    own = {
        "spark.sql.catalogImplementation": "in-memory",
        "spark.executor.memory": "1g",
        # Rows are few and queries many: compiling each of them would be most of the work.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.constraintPropagation.enabled": "false",
        "spark.sql.adaptive.enabled": "false",
    }
    builder = SparkSession.builder
    for name, value in {**target["server_side_parameters"], **own}.items():
        builder = builder.config(name, value)
    with environment(settings(folder)):
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        try:
            yield session
        finally:
            session.stop()
            if not was_there:
                shutil.rmtree(work, ignore_errors=True)


def executor_processes() -> dict[int, str]:
    """Processes of executors below this one, by number: not threads of the driver."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if EXECUTOR in command and os.getpid() in _ancestors(int(entry.name)):
            found[int(entry.name)] = command
    return found


def _ancestors(process: int) -> set[int]:
    seen: set[int] = set()
    while process > 1 and process not in seen:
        seen.add(process)
        try:
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return seen


def tasks_by_executor(session: Any) -> dict[str, int]:
    """Executor -> tasks that it ran; the driver is one that runs none."""
    listed = session.sparkContext._jsc.sc().statusStore().executorList(False)
    executors = [listed.apply(place) for place in range(listed.size())]
    return {str(one.id()): int(one.totalTasks()) for one in executors}


def relation_of(session: Any, schema: str, table: str, key: str) -> CanonicalRelation:
    """`schema.table` in canonical form."""
    frame = session.table(f"{schema}.{table}")
    columns = []
    for field in frame.schema.fields:
        kind = field.dataType
        name = TYPES.get(kind.simpleString(), kind.simpleString())
        places = getattr(kind, "precision", None), getattr(kind, "scale", None)
        columns.append((field.name, canonical_type(name, *places)))
    position = [name for name, _ in columns].index(key)
    rows: dict[str, tuple[str, ...]] = {}
    for row in frame.collect():
        values = tuple(canonical_value(_instant(value)) for value in row)
        assert values[position] not in rows, f"{table}: {key} is not unique"
        rows[values[position]] = values
    return CanonicalRelation(f"{schema}.{table} on spark", tuple(columns), rows)


def _instant(value: Any) -> Any:
    """pyspark gives instants as local times of this machine."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value
