"""The semantic layer of the built sample, parsed once per engine: what the build itself left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mbp.contracts.rendering.semantic import SemanticMetric
from mbp.operate.semantic.metricflow import SemanticLayer
from mbp.operate.semantic.metrics_check import MANIFEST, manifest_text, metrics_of
from mbp.operate.semantic.query import Answer, Question, answer
from mbp.warehouse import Warehouse
from tests.python.built import Built

TARGETS = ("duckdb", "postgres")


@dataclass
class Asked:
    """One engine's semantic layer over the built sample."""

    built: Built
    target: str
    layer: SemanticLayer
    known: tuple[SemanticMetric, ...]

    @contextmanager
    def open(self) -> Iterator[Warehouse]:
        with self.built.open(self.target) as warehouse:
            yield warehouse

    def ask(self, question: Question, warehouse: Warehouse | None = None) -> Answer:
        if warehouse is not None:
            return answer(self.layer, warehouse, question, self.known)
        with self.open() as opened:
            return answer(self.layer, opened, question, self.known)


def artifacts(built: Built, target: str) -> Path:
    """The folder in which the build of a target left its artifacts."""
    return built.artifacts(target)


@pytest.fixture(scope="session")
def layers(built: Built) -> Mapping[str, Asked]:
    known = metrics_of(built.root)
    return {
        target: Asked(
            built,
            target,
            SemanticLayer(manifest_text(artifacts(built, target) / MANIFEST, built.root), target),
            known,
        )
        for target in TARGETS
    }
