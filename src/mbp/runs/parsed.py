"""What dbt read from a project, kept for the next command: reading it again costs more than most commands do.

dbt's own partial parsing is off, because it forgets the properties of singular tests (see dbt_project.yml). Here
a kept parse serves only while everything it was read from is the same, byte for byte: the project's files, the
profile, the target, the variables, the environment and the versions of dbt. Nothing is ever read in part.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mbp.core.dbt_project import PATHS, paths_of
from mbp.core.errors import MbpError
from mbp.core.files import atomic_path

FOLDER = ".mbp/parsed"
# Of one project on several engines and databases; a parse is about 3 MB.
KEPT_AT_MOST = 16
PROJECT = "dbt_project.yml"
PROFILE = "profiles.yml"
FILES = (PROJECT, "packages.yml", "package-lock.yml", "selectors.yml", "dependencies.yml")
DISTRIBUTIONS = ("dbt-core", "dbt-adapters", "dbt-duckdb", "dbt-postgres", "dbt-spark")
# Of dbt's own settings, those that no model's text or configuration depends on. The target is part of the key.
OUTSIDE = {"DBT_LOG_PATH", "DBT_PROFILES_DIR", "DBT_TARGET", "DBT_TARGET_PATH"}
# The profile names them, and they say only how to get in.
CONNECTION = {"MBP_PG_HOST", "MBP_PG_PASSWORD", "MBP_PG_PORT"}
NAMED = re.compile(rb"""env_var\(\s*['"](\w+)""")
# Commands that begin with the parsed project and leave it as manifest.json; `docs` leaves it as it was.
COMMANDS = {"parse", "build", "run", "test", "seed", "compile", "show", "ls", "source"}
# Of them, those that do not write the manifest when they have run.
SILENT = {"parse", "ls"}
# Who asks for these wants dbt to read everything itself and tell what it thinks of it.
UNCACHED = {"--no-partial-parse", "--warn-error", "--warn-error-options", "--profile"}

_memory: dict[str, bytes] = {}


def fingerprint(root: Path, profiles: Path, target: str, arguments: Sequence[str]) -> str | None:
    """What a parse depends on, as SHA-256 in hex; None when dbt must read the project itself."""
    if arguments[0] not in COMMANDS or UNCACHED.intersection(arguments):
        return None
    try:
        return _digest(root, profiles, target, arguments)
    except (MbpError, OSError, UnicodeDecodeError):
        return None  # dbt reports better what it cannot read


def _digest(root: Path, profiles: Path, target: str, arguments: Sequence[str]) -> str:
    digest = hashlib.sha256()
    named: set[str] = set()
    for file in _inputs(root, profiles):
        name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
        content = file.read_bytes()
        named.update(word.decode() for word in NAMED.findall(content))
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    versions = [_version(name) for name in DISTRIBUTIONS]
    settings = [target, variables(arguments), _environment(named), versions]
    digest.update(json.dumps(settings).encode())
    return digest.hexdigest()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:  # Spark is an extra
        return None


def variables(arguments: Sequence[str]) -> list[str]:
    """The options of a command that change what dbt reads; a parse for it needs them too."""
    return [
        argument
        for at, name in enumerate(arguments)
        if name == "--vars"
        for argument in arguments[at : at + 2]
    ]


def _environment(named: Collection[str]) -> Mapping[str, str]:
    """Settings that dbt's texts name, and dbt's own."""
    settings = {
        name: value
        for name, value in sorted(os.environ.items())
        if (name in named and name not in CONNECTION)
        or (name.startswith("DBT_") and name not in OUTSIDE)
    }
    if "MBP_DUCKDB_PATH" in settings:  # dbt-duckdb calls the database after the file
        settings["MBP_DUCKDB_PATH"] = Path(settings["MBP_DUCKDB_PATH"]).stem
    return settings


def _inputs(root: Path, profiles: Path) -> Iterator[Path]:
    for name in FILES:
        if (root / name).is_file():
            yield root / name
    yield profiles / PROFILE
    places = [name for kind in PATHS for name in paths_of(root, kind)]
    for name in (*places, "packages", "dbt_packages"):
        for folder, folders, files in os.walk(root / name, followlinks=True):
            folders.sort()
            yield from (Path(folder, file) for file in sorted(files))


def recall(root: Path, key: str) -> Any | None:
    """The manifest kept under `key`, as if parsed now; None when there is none."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder
    from dbt_common.events.functions import get_metadata_vars

    manifest: Any
    packed = _memory.get(key)
    if packed is None:
        try:
            file = root / FOLDER / key
            packed = file.read_bytes()
            file.touch()  # the ones in use stay
        except OSError:
            return None
    try:
        manifest = Manifest.from_msgpack(packed, decoder=extended_mashumuro_decoder)
    except Exception:  # a file that was cut short or is another version's: dbt reads the project
        return None
    _memory[key] = packed
    for node in manifest.nodes.values():
        if getattr(node, "root_path", None) is not None:  # of seeds: where their rows are read
            node.root_path = str(root)
    manifest.metadata.generated_at = datetime.now(UTC)
    manifest.metadata.env = get_metadata_vars()  # which commit is built, where CI says so
    manifest.build_flat_graph()
    return manifest


def keep(root: Path, key: str, manifest: Any) -> None:
    """Keeps a parse that succeeded; those that were not used for the longest time leave."""
    from dbt.parser.manifest import extended_mashumaro_encoder

    _memory[key] = manifest.to_msgpack(extended_mashumaro_encoder)
    while len(_memory) > KEPT_AT_MOST:
        del _memory[next(iter(_memory))]
    folder = root / FOLDER
    try:
        with atomic_path(folder / key) as file:
            file.write_bytes(_memory[key])
        others = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in others[KEPT_AT_MOST:]:
            old.unlink(missing_ok=True)
    except OSError:
        return  # it saves time, nothing else: a disk that cannot be written costs the time


def write(manifest: Any, folder: Path) -> None:
    """Leaves the artifacts in `folder` that `dbt parse` leaves."""
    from dbt.parser.manifest import write_manifest

    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(manifest, str(folder))
