"""What the command does: one folder of files, with or without a fault, and its progress."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from lab.simulate import faults, schema, writers
from lab.simulate.history import generate, stream
from lab.simulate.parameters import Parameters
from mbp.core.errors import MbpError
from mbp.core.paths import project_root
from mbp.core.paths import shown as shown_path
from mbp.core.reporting.progress import progress

SAMPLE = Path("seeds") / "sample"
LARGEST_FAULTY = 1_000_000


def simulate(
    parameters: Parameters,
    *,
    file_format: str = "csv",
    output: Path | None = None,
    fault: str | None = None,
) -> dict[str, int]:
    """Writes one simulation and says on stderr what it wrote; rows per table.

    Raises:
        MbpError: unknown fault or format, or an output that must not be overwritten.
    """
    folder = _checked_output(parameters, file_format, output, fault)
    if fault is not None:
        return _simulate_fault(parameters, file_format, folder, fault)
    with writers.new_folder(folder) as fresh:
        writer = writers.make_writer(file_format, fresh)
        with progress() as shown:

            def count(phase: str, done: int, of: int) -> None:
                shown.count(phase, done, of, "quotes")

            rows = writers.write_chunks(writer, stream(parameters, count, fresh.parent))
    _say(folder, rows)
    return rows


def _checked_output(
    parameters: Parameters, file_format: str, output: Path | None, fault: str | None
) -> Path:
    if file_format not in ("csv", "parquet"):
        raise MbpError(f"--format {file_format}: expected csv or parquet", fix="use csv or parquet")
    if output is not None:
        return output
    if fault is not None:
        raise MbpError("--fault needs --output", fix="name a folder outside seeds/")
    if file_format != "csv" or parameters != Parameters():
        raise MbpError(
            "the committed sample is made with no options; others need --output",
            fix="name a folder with --output",
        )
    return project_root() / SAMPLE


def _simulate_fault(
    parameters: Parameters, file_format: str, folder: Path, fault: str
) -> dict[str, int]:
    chosen = faults.find(fault)
    try:
        inside = folder.resolve().is_relative_to(project_root() / "seeds")
    except MbpError:
        inside = False
    if inside:
        raise MbpError("a fault never goes into seeds/", path=folder, fix="name another folder")
    if parameters.quotes > LARGEST_FAULTY:
        raise MbpError(
            f"--fault with {parameters.quotes} quotes: faults are made in memory",
            fix=f"at most {LARGEST_FAULTY} quotes",
        )
    world = generate(parameters)
    chosen.apply(world)
    with writers.new_folder(folder) as fresh:
        rows = writers.write_world(world, fresh, file_format)
        if chosen.statements:
            text = "".join(f"{statement};\n" for statement in chosen.statements)
            (fresh / writers.AFTER_BUILD).write_text(text, encoding="utf-8", newline="\n")
    _say(folder, rows)
    return rows


def fault_lines() -> Iterable[str]:
    """One line per fault: rule id, stage and what it does."""
    known = faults.all_faults()
    width = max(len(name) for name in known)
    for name, fault in known.items():
        yield f"{name:<{width}}  {fault.stage:<4}  {fault.description}"


def _say(folder: Path, rows: dict[str, int]) -> None:
    try:
        name = shown_path(folder, project_root())
    except MbpError:
        name = str(folder)
    width = max(len(table) for table in schema.TABLES)
    for table, count in rows.items():
        print(f"  {table:<{width}}  {count:>12,}", file=sys.stderr)
    print(f"wrote {name}", file=sys.stderr)
