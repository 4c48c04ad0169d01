"""contracts/a110/evidence_pack.yaml: which groups a pack has, and which of them may be empty."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from mbp.contracts.drafting.profile_files import own_or_default
from mbp.core.errors import MbpError
from mbp.core.schema_check import TEXT, check, closed, did_you_mean
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


def load_groups(root: Path, makers: Collection[str]) -> list[dict[str, Any]]:
    """The groups in the order of the file, each as the schema has it with every list of SOURCES, and its `line`.

    Args:
        makers: those that `made` may name.

    Raises:
        MbpError: the file is missing or wrong, a maker that is not there or not used, or a group that
            `mbp evidence verify` relies on is missing.
    """
    file = own_or_default(root, FILE, "evidence_pack.yaml")
    document = load(file, shown_as=FILE)
    groups: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(check(document, SCHEMA, FILE)["groups"]):
        name, line = entry["id"], line_of(document["groups"], index)
        if name in groups:
            what = f"group {name!r} appears twice"
            raise MbpError(what, path=FILE, line=line, fix="keep one of the two")
        if not any(source in entry for source in SOURCES):
            what = f"group {name!r} names no {', '.join(SOURCES)}"
            raise MbpError(what, path=FILE, line=line, fix="say what belongs to it")
        for maker in entry.get("made", ()):
            if maker not in makers:
                what, fix = f"no maker {maker!r}", did_you_mean(maker, makers)
                raise MbpError(what, path=FILE, line=line, fix=fix)
        groups[name] = {**dict.fromkeys(SOURCES, ()), **entry, "line": line}
    for name in (GATE_GROUP, EVIDENCE_GROUP):
        if "may_be_empty" in groups.get(name, {"may_be_empty": ""}):
            what = f"group {name!r} must be there and not be empty"
            raise MbpError(what, path=FILE, fix="restore it from git")
    used = {maker for group in groups.values() for maker in group["made"]}
    for maker in sorted(set(makers) - used) if file == root / FILE else ():
        what = f"the maker {maker!r} is in no group"
        raise MbpError(what, path=FILE, fix="name it under `made`")
    return list(groups.values())
