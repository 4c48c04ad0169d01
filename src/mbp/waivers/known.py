"""What a waiver may cover, and what rehearsed its rollback. Each is looked up only when a waiver names one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jsonschema import Draft201909Validator

from mbp.contracts.policy import load_policy
from mbp.contracts.schema_check import check
from mbp.errors import MbpError
from mbp.evidence import envelope
from mbp.paths import shown
from mbp.yaml_io import load, plain

GATES = "contracts/gates"
EXERCISES = "exercises"


@dataclass(frozen=True)
class Known:
    """The things of one project.

    Args:
        given_checks: check id -> waivable, where the caller has read the gate already.
        given_changes: as `changes`, where the caller has compared the contracts already.
    """

    root: Path
    given_checks: Mapping[str, bool] | None = None
    given_changes: Mapping[str, Sequence[str]] | None = None

    @cached_property
    def checks(self) -> Mapping[str, bool]:
        """Check of a gate -> whether a waiver may stand in for it.

        Raises:
            MbpError: no gate, or one without readable checks.
        """
        if self.given_checks is not None:
            return self.given_checks
        return gate_checks(self.root)

    @cached_property
    def changes(self) -> Mapping[str, Sequence[str]]:
        """Fingerprint of each forbidden change that `mbp contracts check` tells now -> its datasets.

        Raises:
            MbpError: the contracts cannot be compared.
        """
        if self.given_changes is not None:
            return self.given_changes
        from datetime import UTC, datetime

        from mbp.registry.run import check_all, forbidden

        return forbidden(check_all(self.root, [], None, today=datetime.now(UTC).date()))

    @cached_property
    def rules(self) -> Collection[str]:
        """Ids of the rules of the contracts.

        Raises:
            MbpError: the contracts cannot be read.
        """
        from mbp.contracts import all_rules, load_contracts

        return {one.id for one in all_rules(load_contracts(self.root))}

    @cached_property
    def owners(self) -> Collection[str]:
        """Teams that may own one.

        Raises:
            MbpError: the policy cannot be read.
        """
        return load_policy(self.root).owners

    @cached_property
    def exercises(self) -> Collection[str]:
        """Ids of the exercises.

        Raises:
            MbpError: the file of the exercises is missing or wrong.
        """
        from mbp.hooks.exercises import FILE, SCHEMA

        document = load(self.root / FILE, shown_as=FILE)
        value = check(document, Draft201909Validator(SCHEMA), FILE)
        return {one["id"] for one in value["exercises"]}

    @cached_property
    def rehearsed(self) -> Mapping[str, str]:
        """Exercise -> why its last run proves nothing of the source as it is; empty when it does."""
        source = envelope.source_digest(self.root)
        try:
            ran = {
                str(one["id"]): one
                for one in envelope.read(self.root, EXERCISES).content["exercises"]
            }
        except envelope.NoEvidenceError:
            return {}
        except (KeyError, TypeError) as error:
            raise MbpError(
                "is no evidence of exercises",
                path=shown(envelope.evidence_path(self.root, EXERCISES), self.root),
                cure="run `mbp exercise --all` anew",
            ) from error
        found: dict[str, str] = {}
        for name, one in ran.items():
            found[name] = ""
            if one.get("passed") is not True:
                found[name] = "its last run failed"
            elif source is None or one.get("source") != source:
                found[name] = "its last run was of another source state"
        return found


def gate_checks(root: Path) -> dict[str, bool]:
    """Check id -> waivable, over contracts/gates/*.yaml.

    Raises:
        MbpError: no gate, or one whose checks do not say what may be waived.
    """
    found: dict[str, bool] = {}
    for path in sorted((root / GATES).glob("*.yaml")):
        place = shown(path, root)
        document = plain(load(path, shown_as=place))
        try:
            for check in document["checks"]:
                if not isinstance(check["waivable"], bool):
                    raise TypeError("waivable")
                # In two gates: waivable in both, or in none.
                name = str(check["id"])
                found[name] = check["waivable"] and found.get(name, True)
        except (KeyError, TypeError) as error:
            raise MbpError(
                f"a check does not say its id and whether it is waivable ({error})",
                path=place,
                cure="give every entry of `checks` both",
            ) from error
    if not found:
        raise MbpError("no gate with checks", path=GATES, cure="restore its definition")
    return found
