"""What dbt read of a project serves another DuckDB file: dbt itself reads all of it again when only the path differs.

The name of the catalog stays a part of what must be equal: models are compiled with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PATH = "path"


def parse_of_any_file() -> None:
    """Takes the path of the DuckDB file out of what dbt compares before it uses an earlier parse."""
    from dbt.parser.manifest import ManifestLoader

    compared = ManifestLoader.build_manifest_state_check

    def without_path(self: Any) -> Any:
        credentials = self.root_project.credentials
        if credentials.type != "duckdb":
            return compared(self)  # type: ignore[no-untyped-call]
        whole = credentials.connection_info

        def connection_info(**options: Any) -> Iterator[tuple[str, Any]]:
            return (pair for pair in whole(**options) if pair[0] != PATH)

        credentials.connection_info = connection_info
        try:
            return compared(self)  # type: ignore[no-untyped-call]
        finally:
            del credentials.connection_info

    setattr(ManifestLoader, "build_manifest_state_check", without_path)  # noqa: B010
