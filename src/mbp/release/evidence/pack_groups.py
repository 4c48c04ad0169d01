"""contracts/a110/evidence_pack.yaml: which groups a pack has, and which of them may be empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft201909Validator

from mbp.contracts.policy import TEXT, closed
from mbp.core.errors import MbpError
from mbp.core.schema_check import check, did_you_mean
from mbp.core.yaml_io import line_of, load
from mbp.release.evidence.statement import EVIDENCE_GROUP, GATE_GROUP

FILE = "contracts/a110/evidence_pack.yaml"
NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
# A glob inside the project: relative, no way upwards.
GLOB = {"type": "string", "pattern": r"^(?!.*\.\.)[A-Za-z0-9_*][A-Za-z0-9_.*/-]*$"}
RELATION = {"type": "string", "pattern": "^[a-z][a-z0-9_]*[.][a-z][a-z0-9_]*$"}
SOURCES = ("files", "artifacts", "relations", "made")
SCHEMA = closed(
    {
        "version": {"const": 1},
        "groups": {
            "type": "array",
            "minItems": 1,
            "items": closed(
                {
                    "id": NAME,
                    "what": TEXT,
                    "files": {"type": "array", "minItems": 1, "items": GLOB},
                    "artifacts": {"type": "array", "minItems": 1, "items": GLOB},
                    "relations": {"type": "array", "minItems": 1, "items": RELATION},
                    "made": {"type": "array", "minItems": 1, "items": NAME},
                    "may_be_empty": TEXT,
                    "fix": TEXT,
                },
                optional=(*SOURCES, "may_be_empty", "fix"),
            ),
        },
    }
)


@dataclass(frozen=True)
class PackGroup:
    """Members that belong together.

    Attributes:
        files, artifacts: globs, in the project and in dbt's folder.
        relations: of the warehouse, with their schema.
        made: names of makers.
        may_be_empty: why it may; None when it may not.
        fix: what gives its members.
    """

    id: str
    what: str
    files: tuple[str, ...]
    artifacts: tuple[str, ...]
    relations: tuple[str, ...]
    made: tuple[str, ...]
    may_be_empty: str | None
    fix: str | None
    line: int | None


def load_groups(root: Path, makers: Mapping[str, Any]) -> list[PackGroup]:
    """The groups in the order of the file.

    Args:
        makers: those that `made` may name.

    Raises:
        MbpError: the file is missing or wrong, a maker that is not there or not used, or a group that
            `mbp evidence verify` relies on is missing.
    """
    document = load(root / FILE, shown_as=FILE)
    value = check(document, Draft201909Validator(SCHEMA), FILE)
    pack_groups: dict[str, PackGroup] = {}
    used: set[str] = set()
    for index, entry in enumerate(value["groups"]):
        line = line_of(document["groups"], index)
        if entry["id"] in pack_groups:
            raise MbpError(
                f"group {entry['id']!r} appears twice",
                path=FILE,
                line=line,
                fix="keep one of the two",
            )
        if not any(name in entry for name in SOURCES):
            what = f"group {entry['id']!r} names no {', '.join(SOURCES)}"
            raise MbpError(what, path=FILE, line=line, fix="say what belongs to it")
        for name in entry.get("made", ()):
            if name not in makers:
                fix = did_you_mean(name, makers)
                raise MbpError(f"no maker {name!r}", path=FILE, line=line, fix=fix)
            used.add(name)
        files, artifacts, relations, made = (tuple(entry.get(name, ())) for name in SOURCES)
        pack_groups[entry["id"]] = PackGroup(
            id=entry["id"],
            what=entry["what"],
            files=files,
            artifacts=artifacts,
            relations=relations,
            made=made,
            may_be_empty=entry.get("may_be_empty"),
            fix=entry.get("fix"),
            line=line,
        )
    for name in (GATE_GROUP, EVIDENCE_GROUP):
        if name not in pack_groups or pack_groups[name].may_be_empty:
            raise MbpError(
                f"group {name!r} must be there and not be empty",
                path=FILE,
                fix="restore it from git",
            )
    for name in sorted(makers.keys() - used):
        raise MbpError(f"the maker {name!r} is in no group", path=FILE, fix="name it under `made`")
    return list(pack_groups.values())
