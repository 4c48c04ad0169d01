"""What must be there before dbt starts, so that a missing thing is one line and not a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mbp.core import yaml_io
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.runs.dbt_process import demand, run_dbt
from mbp.warehouse import Warehouse, quote_identifier

SEEDS = "seeds"
SAMPLE = "sample"
LOADED = "loaded"


def raw_origin() -> str:
    """Where raw rows come from: 'sample' (the committed seeds) or 'loaded'.

    Raises:
        MbpError: `MBP_RAW` holds something else.
    """
    origin = os.environ.get("MBP_RAW") or SAMPLE
    if origin not in (SAMPLE, LOADED):
        raise MbpError(f"MBP_RAW is {origin!r}", fix="set it to 'sample' or 'loaded'")
    return origin


def refuse_sample_over_loaded(warehouse: Warehouse) -> None:
    """A forgotten `MBP_RAW` must not replace the public datasets of a live warehouse with the sample.

    dbt itself refuses it too (macros/engine/raw_log.sql); this reports it before anything runs.

    Raises:
        MbpError: the sample was asked for, and a raw table of loaded data has rows.
    """
    if raw_origin() != SAMPLE:
        return
    _, tables = warehouse.query(
        "select table_schema, table_name from information_schema.tables"
        " where table_schema in ('raw_mbp', 'raw_ops') order by 1, 2"
    )
    for schema, table in tables:
        place = f"{quote_identifier(schema)}.{quote_identifier(table)}"
        if not table.startswith("_") and warehouse.query(f"select 1 from {place} limit 1")[1]:
            raise MbpError(
                f"{schema}.{table} holds loaded data; the sample would be published in its place",
                fix="set MBP_RAW=loaded, or give the sample its own warehouse"
                " (MBP_DUCKDB_PATH, MBP_PG_DATABASE)",
            )


def check_seeds(root: Path) -> None:
    """Every seed that a properties file under seeds/ names has its CSV file.

    Raises:
        MbpError: a file is missing.
    """
    for path in sorted((root / SEEDS).rglob("_*.y*ml")):
        if raw_origin() != SAMPLE and SAMPLE in path.relative_to(root / SEEDS).parts:
            continue
        name = shown(path, root)
        document = yaml_io.load(path, shown_as=name)
        for entry in document.get("seeds") or () if isinstance(document, dict) else ():
            file = path.parent / f"{entry['name']}.csv"
            if not file.is_file():
                raise MbpError(
                    f"the seed {entry['name']!r} has no file {shown(file, root)}",
                    path=name,
                    line=yaml_io.line_of(entry, "name"),
                    fix="restore it from git or run `mbp simulate`",
                )


def install_packages(root: Path) -> None:
    """`dbt deps`, when there is something to do.

    Raises:
        MbpError: dbt could not install a package.
    """
    if not packages_are_installed(root):
        demand(run_dbt(root, ["deps"], quiet=True))


def packages_are_installed(root: Path) -> bool:
    """True when `dbt deps` has nothing to do: the lock names the same packages, and each is there.

    By content and not by age: git writes both files at a checkout, in either order, and `dbt deps` leaves a lock that
    still holds as it is.
    """
    wanted = root / "packages.yml"
    lock = root / "package-lock.yml"
    if not wanted.is_file():
        return True
    if not lock.is_file():
        # An older dbt wrote no lock; dbt itself asks only that each package has its folder.
        return _installed_before_locks(root, _packages(wanted))
    locked = _packages(lock)
    asked = [{key: package.get(key) for key in _sources(package)} for package in _packages(wanted)]
    named = [{key: package.get(key) for key in _sources(package)} for package in locked]
    folders = [
        Path(str(package.get("name") or package.get("local", ""))).name for package in locked
    ]
    return asked == named and all((root / "dbt_packages" / name).is_dir() for name in folders)


def _installed_before_locks(root: Path, packages: list[dict[str, Any]]) -> bool:
    names = [str(package.get("package") or package.get("git") or "") for package in packages]
    folders = [name.rpartition("/")[2].removesuffix(".git") for name in names]
    return all(folder and (root / "dbt_packages" / folder).is_dir() for folder in folders)


def _packages(path: Path) -> list[dict[str, Any]]:
    document = yaml_io.plain(yaml_io.load(path, shown_as=path.name))
    packages = document.get("packages") if isinstance(document, dict) else None
    return [package for package in packages or [] if isinstance(package, dict)]


def _sources(entry: dict[str, Any]) -> list[str]:
    """What says where a package comes from; the version of the hub's may be a range, which the lock makes exact."""
    return [key for key in ("local", "package", "git", "tarball") if key in entry]
