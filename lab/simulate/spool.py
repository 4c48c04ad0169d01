"""Sorted runs of records on disk, merged into one order without holding them all in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROWS_PER_SLICE = 500_000
SAMPLE_EVERY = 64


class Spool:
    """Runs sorted by their first field; `in_order` gives slices of the merged order.

    Args:
        record: fields of a record; the first one is the key, a whole number.
        folder: takes one file per run; the caller removes it.
    """

    def __init__(
        self, record: np.dtype[np.void], folder: Path, rows_per_slice: int = ROWS_PER_SLICE
    ) -> None:
        self.record = record
        self.rows_per_slice = rows_per_slice
        self.folder = folder
        self.key = (record.names or ("",))[0]
        self.rows = 0
        self._runs: list[Path] = []
        self._samples: list[NDArray[np.int64]] = []

    def add(self, run: NDArray[np.void]) -> None:
        """Keeps a sorted run."""
        if not len(run):
            return
        path = self.folder / f"{len(self._runs):06d}.run"
        run.tofile(path)
        self._runs.append(path)
        self._samples.append(run[self.key][::SAMPLE_EVERY].copy())
        self.rows += len(run)

    def in_order(self) -> Iterator[NDArray[np.void]]:
        """Slices of about `rows_per_slice` rows; ties stay in the order of the runs."""
        if not self.rows:
            return
        runs = [np.memmap(path, dtype=self.record, mode="r") for path in self._runs]
        keys = np.sort(np.concatenate(self._samples))
        slices = max(1, round(self.rows / self.rows_per_slice))
        bounds = keys[[len(keys) * number // slices for number in range(1, slices)]]
        starts = [0] * len(runs)
        for bound in [*bounds.tolist(), None]:
            parts = []
            for number, run in enumerate(runs):
                stop = len(run) if bound is None else int(np.searchsorted(run[self.key], bound))
                parts.append(np.asarray(run[starts[number] : stop]))
                starts[number] = stop
            merged = np.concatenate(parts)
            yield merged[np.argsort(merged[self.key], kind="stable")]
