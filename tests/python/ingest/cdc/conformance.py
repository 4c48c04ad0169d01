"""Every reader behind one interface: what the conformance suite drives."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mbp.ingest.cdc import change_shape, landing
from mbp.ingest.cdc.market_source import MarketSource
from mbp.ingest.raw_tables import raw_tables
from tests.python.ingest.cdc.conftest import Pair
from tests.python.ingest.cdc.pipeline import Pipeline

READERS = ("pgoutput", "landing-jsonl", "landing-flat", "landing-parquet")


class Harness:
    """One reader between a source and a warehouse of its own."""

    def __init__(self, reader: str, pair: Pair, folder: Path) -> None:
        self.reader, self.pair, self.folder = reader, pair, folder
        self.pipeline: Pipeline | None = None
        if reader.startswith("landing-"):
            folder.mkdir()
            columns = change_shape.by_name(raw_tables(pair.root))
            self.pipeline = Pipeline(pair.source, folder, reader.removeprefix("landing-"), columns)

    def read(self) -> None:
        """Until the warehouse has what the source had."""
        if self.pipeline is not None:
            self.pipeline.write()
            if any(self.folder.iterdir()):
                found = landing.land(self.pair.root, self.pair.target, self.folder, _quiet)
                assert not found.problems
        else:
            self.pair.read()

    def copy_again(self, *tables: str) -> None:
        """The state of tables is copied again; none: of all. A pipeline has its own ways to do that."""
        if self.pipeline is not None:
            self.read()
        else:
            self.pair.reader().run(once=True, anew=tables or list(self.pair.reader().columns))

    def begin_at(self, source: MarketSource) -> None:
        """Another server, and from now on only that one: the reader copies its state."""
        self.pair.source = source
        if self.pipeline is None:
            self.copy_again()
            return
        rounds, form = self.pipeline.round, self.pipeline.form
        self.pipeline = Pipeline(source, self.folder, form, self.pipeline.columns, rounds)
        self.read()

    def deliver_again(self) -> None:
        """What was delivered comes once more, as it does after a failure of the pipeline."""
        if self.pipeline is not None:
            for path in sorted(self.folder.iterdir()):
                shutil.copy(path, self.folder / f"again.{path.name}")
        self.read()

    def state(self, table: str, columns: str) -> dict[Any, tuple[Any, ...]]:
        """What the log adds up to: key -> the other columns."""
        latest: dict[Any, tuple[Any, ...]] = {}
        log = self.pair.rows(
            f"select {columns}, __op, __source_lsn from raw_mbp.{table} order by __source_lsn"
        )
        for row in log:
            if row[-2] == "d":
                latest.pop(row[0], None)
            else:
                latest[row[0]] = row[1:-2]
        return latest

    def close(self) -> None:
        """The slots belong to the cluster, and keep its databases."""
        if self.pipeline is not None:
            self.pipeline.drop()


def _quiet(_: str) -> None:
    return
