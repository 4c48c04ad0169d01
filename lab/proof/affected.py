"""Which rules a change can disarm: those whose compiled SQL, contract entry or upstream models differ from the base.

Both states are compiled by dbt for one engine, so a macro, a variable or a `where` shows in the SQL that it ends up
in. Upstream models count too, views and tables alike: a filter in a model hides a fault as well as one in the rule.
"""

from __future__ import annotations

import ast
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lab.proof.compiled_project import CompiledProject, compile_project
from lab.simulate.faults.expected import PATH as EXPECTATIONS
from mbp.contracts import load_contracts
from mbp.contracts.model import Rule
from mbp.contracts.registry.odcs_documents import git, ref_of
from mbp.contracts.rules import all_rules
from mbp.core.errors import MbpError
from mbp.runs.dbt_process import environment
from mbp.runs.working_copy import untracked

# The proof itself: the module that runs it, and the versions of what it runs on.
MACHINERY = "lab.proof.prove"
LOCK = "requirements.lock"
SOURCES, OURS = (Path("src"), Path()), ("mbp", "lab")
PYTHON = ("src/", "lab/")


@dataclass(frozen=True)
class Affected:
    """What has to be proved again.

    Attributes:
        since: the base as it was named.
        rules: rule ids, sorted.
        reason: why these, in a sentence.
        everything: True when the difference could not be derived, so that all rules are in `rules`.
        compared: number of rules that were compared; 0 when none could be.
    """

    since: str
    rules: tuple[str, ...]
    reason: str
    everything: bool
    compared: int


def affected_rules(
    root: Path,
    since: str,
    project: CompiledProject,
    rules: Sequence[Rule],
    engine: str,
    changes: Mapping[str, str] | None = None,
) -> Affected:
    """The rules to prove after the changes since a commit.

    Args:
        since: a git ref.
        project: the working copy, compiled for `engine`.
        rules: of the working copy's contracts.
        changes: environment for dbt, as for `compile_project`.

    Raises:
        MbpError: no git repository, or no such commit.
    """
    commit = git(root, "rev-parse", "--verify", "--quiet", f"{ref_of(since)}^{{commit}}").strip()
    everything = tuple(sorted(rule.id for rule in rules))

    def all_because(reason: str) -> Affected:
        return Affected(since, everything, f"all rules, because {reason}", True, 0)

    if _file(root, MACHINERY) is None:
        return all_because("the code of the proof is not in this repository")
    if machinery := _changed_machinery(root, commit):
        return all_because(f"the proof itself changed: {machinery[0]}")
    try:
        base, base_rules = _compiled_at(root, commit, engine, changes)
    except (MbpError, OSError, tarfile.TarError) as error:
        reason = " ".join(str(error).split())[:300]
        return all_because(f"{since} cannot be compiled to compare with: {reason}")
    before, now = _states(base, base_rules), _states(project, rules)
    differing = tuple(sorted(name for name in now if now[name] != before.get(name)))
    reason = (
        f"{len(differing)} of {len(now)} rules differ from {since} in SQL, contract or upstream models"
        if differing
        else f"no rule's SQL, contract, macros or upstream models changed since {since}"
    )
    return Affected(since, differing, reason, False, len(now))


def _states(project: CompiledProject, rules: Sequence[Rule]) -> dict[str, Any]:
    """Rule -> everything that its verdict is made of, beside the data."""
    raw = {raw_relation.unique_id: asdict(raw_relation) for raw_relation in project.raw}
    models = {
        model.unique_id: asdict(replace(model, upstream=frozenset())) for model in project.models
    }
    states: dict[str, Any] = {
        rule.id: {"contract": asdict(replace(rule, path="", line=None)), "tests": {}}
        for rule in rules
    }
    for test in project.tests:
        if test.rule_id in states:
            states[test.rule_id]["tests"][test.unique_id] = {
                **asdict(test),
                "raw": [raw[name] for name in sorted(test.upstream) if name in raw],
                "models": [models[name] for name in sorted(test.upstream) if name in models],
            }
    return states


def _compiled_at(
    root: Path, commit: str, engine: str, changes: Mapping[str, str] | None
) -> tuple[CompiledProject, list[Rule]]:
    with tempfile.TemporaryDirectory(prefix="mbp-base-") as folder:
        archive, base = Path(folder) / "base.tar", Path(folder) / "base"
        git(root, "archive", "--format=tar", f"--output={archive}", commit)
        with tarfile.open(archive) as packed:
            packed.extractall(base, filter="data")
        # Its artifacts are its own: those of the project may be in use.
        with environment({"DBT_TARGET_PATH": str(base / "target")}):
            return compile_project(base, engine, changes=changes), all_rules(load_contracts(base))


def _changed_machinery(root: Path, commit: str) -> list[str]:
    """Changed files on which every proof depends: faults, expectations, the code that runs them, and their versions."""
    listed = git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", commit, "--", ".")
    changed = {*filter(None, listed.split("\0")), *untracked(root)}
    proof = {EXPECTATIONS.as_posix(), LOCK, *_modules(root, MACHINERY)}
    # A deleted module is in no import any more, so whatever was deleted from the package counts.
    gone = {name for name in changed if name.startswith(PYTHON) and not (root / name).exists()}
    return sorted(changed & proof | gone)


def _modules(root: Path, start: str) -> Iterator[str]:
    """Files of a module and of all that it imports, also inside of functions; relative to the project."""
    waiting, seen = [start], set[Path]()
    while waiting:
        path = _file(root, waiting.pop())
        if path is None or path in seen:
            continue
        seen.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                waiting += [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                waiting += [
                    node.module,
                    *(f"{node.module}.{name.name}" for name in node.names),
                ]
    return (path.relative_to(root).as_posix() for path in seen)


def _file(root: Path, module: str) -> Path | None:
    if module.partition(".")[0] not in OURS:
        return None
    places = [(root / source).joinpath(*module.split(".")) for source in SOURCES]
    options = [
        path for place in places for path in (place.with_suffix(".py"), place / "__init__.py")
    ]
    return next((path for path in options if path.is_file()), None)
