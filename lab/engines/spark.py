"""What Spark enforces: measured where it is installed, recorded for all other machines.

The record is part of the matrix in docs/engines.md; `make test-spark` checks it against a live Spark.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.engines.probes import PROBES, Found, measure
from mbp.core import files
from mbp.core.errors import MbpError

RECORD = Path(__file__).with_name("spark_measured.json")
FIX = "install the extra `spark` (`make test-spark` does) and run `mbp engines --spark --write`"


def recorded() -> Found:
    """What was measured last.

    Raises:
        MbpError: the record cannot be read, or is not one of exactly these probes.
    """
    try:
        record = json.loads(RECORD.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MbpError(f"cannot read: {error}", path=RECORD.name, fix=FIX) from error
    if not isinstance(record, dict) or set(record) != {probe.kind for probe in PROBES}:
        raise MbpError("is not of the probes that there are", path=RECORD.name, fix=FIX)
    return record


def measured(session: Any) -> Found:
    """The probes on a live session."""
    from pyspark.errors import ParseException

    return measure(
        lambda statement: session.sql(statement).collect(),
        text="string",
        is_no_syntax=lambda error: isinstance(error, ParseException),
    )


def record() -> None:
    """Starts a Spark of one thread in memory, probes it and keeps what it did.

    Raises:
        MbpError: pyspark is not installed, or Spark does not start.
    """
    import tempfile

    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MbpError("pyspark is not installed", fix=FIX) from error
    with tempfile.TemporaryDirectory() as folder:
        builder = SparkSession.builder.master("local[1]")
        for name, value in {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.sql.catalogImplementation": "in-memory",
            "spark.sql.warehouse.dir": folder,
        }.items():
            builder = builder.config(name, value)
        try:
            session = builder.getOrCreate()
        except PySparkException as error:
            raise MbpError(f"Spark does not start: {error}", fix="install Java 17") from error
        try:
            results = measured(session)
        finally:
            session.stop()
    files.write_text(RECORD, json.dumps(results, indent=2) + "\n")
