"""The column of Spark in docs/engines.md is what a live Spark does."""

from __future__ import annotations

import pytest

from lab.engines import spark
from tests.python.spark.conftest import Both

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1800)]


def test_the_record_is_what_spark_does(both: Both) -> None:
    assert spark.measured(both.session) == spark.recorded(), spark.FIX
