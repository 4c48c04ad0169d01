"""When an artifact of dbt was written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mbp.runs.artifacts import moment_of


def generated_at(artifact: Mapping[str, Any], name: str) -> datetime:
    """When an artifact was written, in UTC.

    Raises:
        MbpError: no readable `metadata.generated_at`.
    """
    return moment_of(artifact, "generated_at", name)
