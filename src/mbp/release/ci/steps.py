"""The steps of a pull request. Each leaves a record and, where it has one, a report in one flat folder."""

from __future__ import annotations

from dataclasses import dataclass

FOLDER = "target/ci"


@dataclass(frozen=True)
class CiStep:
    """One step.

    Attributes:
        name: `scripts/ci/step.sh <name>` records it as `step-<name>.json`.
        title: for people.
    """

    name: str
    title: str

    @property
    def record(self) -> str:
        """The file that says how the step ended."""
        return f"step-{self.name}.json"

    @property
    def report(self) -> str:
        """The file that says what it found."""
        return f"{self.name}.json"


CONTRACTS = CiStep("contracts", "Contract changes")
BUILD = CiStep("build", "Build and tests")
RULES = CiStep("rules", "Rules of the contracts")
COVERAGE = CiStep("coverage", "Documentation coverage")
STEPS = (
    CONTRACTS,
    RULES,
    BUILD,
    COVERAGE,
    CiStep("proof", "Rules catch their faults"),
    CiStep("privacy", "Personal data and secrets"),
    CiStep("security", "Components, advisories, licences, grants"),
    CiStep("lint", "Lint, types, conventions"),
    CiStep("postgres", "Build and tests on PostgreSQL"),
    CiStep("exercises", "Every hook acts on its fault"),
    CiStep("gate", "Checks of the gate that a machine can make at a merge"),
    CiStep("tests", "Python tests"),
)

OF_ANY_PROJECT = (CONTRACTS, RULES, BUILD, COVERAGE)

# Written by the build beside its report, and by the build of main.
MANIFEST = "manifest.json"
RUN_RESULTS = "run_results.json"
# dbt copies DBT_ENV_CUSTOM_ENV_<name> into the metadata of its artifacts: so they say of which commit they are.
COMMIT_VARIABLE = "MBP_CI_COMMIT"
FOLDER_VARIABLE = "MBP_CI_FOLDER"
# Of the stored build of main: a file that holds the commit and nothing else.
BASE_COMMIT = "commit.txt"
