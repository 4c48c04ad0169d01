"""One parse of the project serves every test of a run: warehouses differ in their place, copies in a few files.

dbt itself reads the whole project again for another file of DuckDB or another port of PostgreSQL.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from mbp.core.files import atomic_path

PLACES = {"host", "port"}


@cache
def share_parses(kept: Path) -> None:
    """Lets dbt begin with what a process of the run has parsed before; it still reads every file that differs.

    Args:
        kept: a folder that all processes of the run see.
    """
    from dbt.adapters.contracts.connection import Credentials
    from dbt.flags import get_flags
    from dbt.parser.manifest import (
        Manifest,
        ManifestLoader,
        extended_mashumaro_encoder,
        extended_mashumuro_decoder,
    )
    from dbt_common.invocation import get_invocation_id

    loader: Any = ManifestLoader
    credentials: Any = Credentials
    state, load, read, write = (
        loader.build_manifest_state_check,
        loader.load,
        loader.read_manifest_for_partial_parse,
        loader.write_manifest_for_partial_parse,
    )
    connection_info = credentials.connection_info
    kept.mkdir(exist_ok=True)

    def build_manifest_state_check(self: Any) -> Any:
        def without_place(own: Any, **options: Any) -> Any:
            return (pair for pair in connection_info(own, **options) if pair[0] not in PLACES)

        credentials.connection_info = without_place
        try:
            return state(self)
        finally:
            credentials.connection_info = connection_info

    def file(self: Any) -> Path:
        check = self.manifest.state_check
        hashes = (check.vars_hash, check.profile_hash, check.project_env_vars_hash)
        sums = (*hashes, *dict(sorted(check.project_hashes.items())).values())
        # A copy with other datasets changes macros and what calls them at once, which dbt may not bear.
        contracts = Path(self.root_project.project_root, "contracts/a106").glob("*")
        key = (*(str(one.checksum) for one in sums), *sorted(file.name for file in contracts))
        return kept / hashlib.sha256("\n".join(key).encode()).hexdigest()

    def read_manifest_for_partial_parse(self: Any) -> Any:
        found = read(self)
        self.parsing = ExitStack()
        if found is not None or not get_flags().PARTIAL_PARSE:
            return found
        packed = file(self)
        if not packed.exists():
            # What another process parses now is waited for: it takes longer in two at once.
            self.parsing.enter_context(FileLock(f"{packed}.lock"))
        if packed.exists():
            self.parsing.close()
            found = Manifest.from_msgpack(packed.read_bytes(), decoder=extended_mashumuro_decoder)
            found.metadata.generated_at = datetime.now(UTC).replace(tzinfo=None)
            found.metadata.invocation_id = get_invocation_id()
            for node in found.nodes.values():
                # Of seeds: where their rows are read.
                if getattr(node, "root_path", None) is not None:
                    node.root_path = str(Path(self.root_project.project_root))
        return found

    def load_and_let_others(self: Any) -> Any:
        try:
            return load(self)
        finally:
            self.parsing.close()

    def write_manifest_for_partial_parse(self: Any) -> None:
        write(self)
        with atomic_path(file(self)) as part:
            part.write_bytes(self.manifest.to_msgpack(extended_mashumaro_encoder))

    loader.build_manifest_state_check = build_manifest_state_check
    loader.load = load_and_let_others
    loader.read_manifest_for_partial_parse = read_manifest_for_partial_parse
    loader.write_manifest_for_partial_parse = write_manifest_for_partial_parse


@cache
def spare_work() -> None:
    """Leaves out of dbt what takes long in a process of the tests and says nothing of the product.

    To name who set a flag of an adapter, dbt looks through the source of every caller; and it writes its artifacts
    piece by piece.
    """
    import dbt.artifacts.schemas.base
    import dbt.artifacts.schemas.run.v5.run
    from dbt_common.behavior_flags import BehaviorFlagRendered
    from dbt_common.utils.encoding import JSONEncoder

    def write_json(path: str, data: dict[str, Any]) -> bool:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(data, cls=JSONEncoder), encoding="utf-8")
        return True

    flag: Any = BehaviorFlagRendered
    flag._default_source = staticmethod(lambda: "a test")
    for module in (dbt.artifacts.schemas.base, dbt.artifacts.schemas.run.v5.run):
        module.write_json = write_json  # type: ignore[attr-defined]
