"""One parse of the project serves every test of a process: warehouses differ in their place, copies in a few files.

dbt itself reads the whole project again for another file of DuckDB or another port of PostgreSQL. And to name who set a
flag of an adapter it looks through the source of every caller, which takes half a second in a process of the tests.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

PLACES = {"host", "port"}
kept: dict[tuple[str, ...], bytes] = {}


@cache
def share_parses() -> None:
    """Lets dbt begin with what this process has parsed before; it still reads every file that differs."""
    from dbt.adapters.contracts.connection import Credentials
    from dbt.flags import get_flags
    from dbt.parser.manifest import (
        Manifest,
        ManifestLoader,
        extended_mashumaro_encoder,
        extended_mashumuro_decoder,
    )
    from dbt_common.behavior_flags import BehaviorFlagRendered
    from dbt_common.invocation import get_invocation_id

    loader: Any = ManifestLoader
    credentials: Any = Credentials
    state, read, write = (
        loader.build_manifest_state_check,
        loader.read_manifest_for_partial_parse,
        loader.write_manifest_for_partial_parse,
    )
    connection_info = credentials.connection_info

    def build_manifest_state_check(self: Any) -> Any:
        def without_place(own: Any, **options: Any) -> Any:
            return (pair for pair in connection_info(own, **options) if pair[0] not in PLACES)

        credentials.connection_info = without_place
        try:
            return state(self)
        finally:
            credentials.connection_info = connection_info

    def key(self: Any) -> tuple[str, ...]:
        check = self.manifest.state_check
        hashes = (check.vars_hash, check.profile_hash, check.project_env_vars_hash)
        sums = (*hashes, *dict(sorted(check.project_hashes.items())).values())
        # A copy with other datasets changes macros and what calls them at once, which dbt may not bear.
        contracts = Path(self.root_project.project_root, "contracts/a106").glob("*")
        return (*(str(one.checksum) for one in sums), *sorted(file.name for file in contracts))

    def read_manifest_for_partial_parse(self: Any) -> Any:
        found = read(self)
        if found is None and get_flags().PARTIAL_PARSE and (packed := kept.get(key(self))):
            found = Manifest.from_msgpack(packed, decoder=extended_mashumuro_decoder)
            found.metadata.generated_at = datetime.now(UTC).replace(tzinfo=None)
            found.metadata.invocation_id = get_invocation_id()
            for node in found.nodes.values():
                if (
                    getattr(node, "root_path", None) is not None
                ):  # of seeds: where their rows are read
                    node.root_path = str(Path(self.root_project.project_root))
        return found

    def write_manifest_for_partial_parse(self: Any) -> None:
        write(self)
        kept[key(self)] = self.manifest.to_msgpack(extended_mashumaro_encoder)

    flag: Any = BehaviorFlagRendered
    flag._default_source = staticmethod(lambda: "a test")
    loader.build_manifest_state_check = build_manifest_state_check
    loader.read_manifest_for_partial_parse = read_manifest_for_partial_parse
    loader.write_manifest_for_partial_parse = write_manifest_for_partial_parse
