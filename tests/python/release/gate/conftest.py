"""A release that is ready: a repository of its own, a built sample, evidence, keys and signatures."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.exercises import load_exercises
from mbp.contracts.gates import Gate, load_gate
from mbp.contracts.hook_policy import load_hooks
from mbp.operate.hooks.kpi_collect import collect
from mbp.operate.hooks.watch import watch_once
from mbp.quality.failures import findings_of_last_run
from mbp.quality.monitor.record import last_dbt_run, record
from mbp.release.gate.all_rules import RULES
from mbp.release.gate.context import Context
from mbp.release.gate.gate_report import CheckResult, GateReport
from mbp.release.gate.gate_run import judge, run_gate
from mbp.release.gate.signoffs import sign_off
from mbp.runs import envelope
from mbp.runs.dbt_process import demand, environment, run_dbt
from mbp.runs.derive_runs import PROOF_GAPS
from mbp.runs.exercise_report import content as exercises_content
from mbp.runs.preflight import install_packages
from mbp.runs.run_control import data_state, warehouse_id
from mbp.warehouse import connect
from tests.python.built import Built
from tests.python.measured import BILL, BILL_PATH, passed
from tests.python.signing_keys import Keys, demand_openssh

GATE = "M2"
TARGET = "duckdb"
# What commands measure that take minutes, or that tests of their own see at work.
MEASURED = (
    "security_sbom",
    "security_sast",
    "security_secrets",
    "security_audit",
    "security_licences",
    "security_least_privilege",
    "privacy_measure",
)


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def proof_of(root: Path) -> dict[str, object]:
    """What a whole proof of the contracts' rules says when each caught its fault."""
    rules = [
        {"rule_id": one.id, "severity": one.severity, "proved": True, "problems": []}
        for one in all_rules(load_contracts(root))
    ]
    return {
        "engine": "duckdb",
        "complete": True,
        "rules": rules,
        **{name: [] for name in PROOF_GAPS},
    }


@dataclass(frozen=True)
class Release:
    """A project folder with everything that the gate asks for. Used inside of `inside()`."""

    root: Path
    keys: Keys

    @contextmanager
    def inside(self) -> Iterator[None]:
        with environment(
            {
                "MBP_DUCKDB_PATH": str(self.root / "mbp.duckdb"),
                "MBP_RAW": "sample",
                "MBP_STATE_DIR": ".mbp",
                "MBP_HOOK_URL": "",
                "MBP_HOOK_SECRET": "",
                "MBP_ALERTMANAGER_URL": "",
                "DBT_TARGET": TARGET,
                "DBT_TARGET_PATH": "target",
                "MBP_PROJECT_DIR": str(self.root),
            }
        ):
            yield

    @property
    def gate(self) -> Gate:
        return load_gate(self.root, GATE, RULES)

    def run(self) -> GateReport:
        with self.inside():
            return run_gate(self.root, GATE, TARGET)

    def check(self, name: str) -> CheckResult:
        """One check by itself, as the gate judges it."""
        gate = self.gate
        (wanted,) = [one for one in gate.checks if one.id == name]
        hours = gate.evidence_max_age_hours
        with self.inside():
            context = Context(self.root, TARGET, datetime.now(UTC), hours, gate.waivable())
            return judge(context, wanted)

    def execute(self, *statements: str) -> None:
        with self.inside(), connect(self.root, TARGET) as warehouse:
            for statement in statements:
                warehouse.execute(statement)

    def commit(self) -> None:
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "--allow-empty", "-m", "change")

    def measure(self) -> None:
        """Evidence of the source as it is now."""
        with self.inside():
            hooks = load_hooks(self.root)
            exercises = [
                {
                    "id": one.id,
                    "passed": True,
                    "problems": [],
                    "hooks": {
                        wanted.hook: hooks.hooks[wanted.hook].definition_hash
                        for wanted in one.expect
                    },
                    "decisions": [
                        {
                            "hook": wanted.hook,
                            "action": hooks.hooks[wanted.hook].action,
                            "reason": wanted.reason,
                            "detect_seconds": 60.0,
                        }
                        for wanted in one.expect
                    ],
                    "recover_seconds": 900.0 if one.recovers_at else None,
                    "mutants_killed": {"removed": True},
                    "source": envelope.source_digest(self.root),
                    "ran_at": datetime.now(UTC).isoformat(timespec="seconds"),
                }
                for one in load_exercises(self.root, hooks)
            ]
            ran = exercises_content(exercises, [str(one["id"]) for one in exercises])
            self.write("exercises", content=ran)
            (self.root / BILL_PATH).write_bytes(BILL)
            self.write("proof", content=proof_of(self.root))
            for name in MEASURED:
                self.write(name)
            with connect(self.root, TARGET, read_only=True) as warehouse:
                data = data_state(self.root, warehouse)
            self.write("build", target=TARGET, data=data)
            self.write("privacy_scan", target=TARGET, data=data)
            record(self.root, last_dbt_run(self.root, TARGET))
            watch_once(self.root, TARGET)
            collect(self.root, TARGET)
            watch_once(self.root, TARGET)

    def write(
        self,
        name: str,
        *,
        content: dict[str, object] | None = None,
        target: str | None = None,
        data: str | None = None,
    ) -> None:
        warehouse = run = None
        if target:
            with self.inside(), connect(self.root, target, read_only=True) as opened:
                warehouse = warehouse_id(opened)
        if name == "build":
            with self.inside():
                run = findings_of_last_run(self.root, TARGET).claim
        envelope.write(
            envelope.begin(self.root),
            name,
            summary=f"{name} as the test wants it",
            content=passed(name) if content is None else content,
            target=target,
            warehouse=warehouse,
            data=data,
            run=run,
        )

    def sign(self, *roles: str) -> None:
        report = self.run().document()
        for role in roles or self.gate.sign_offs.roles:
            sign_off(self.root, report, role, self.keys.private(role), datetime.now(UTC))

    def copy(self, folder: Path) -> Release:
        # A third of the time that Python takes, for every test of the gate.
        subprocess.run(["cp", "-a", str(self.root), str(folder)], check=True)
        return Release(folder, self.keys)


@pytest.fixture(scope="session")
def released(
    built: Built, project_root: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Release:
    """Made once for all processes of the tests, each of which has a copy; a test that spoils it spoils another."""
    own, kept = tmp_path_factory.mktemp("released") / "copy", shared / "release"
    with FileLock(shared / "release.lock"):
        # Made where it stays: dbt links its packages by their full path.
        if not (kept / "whole").exists():
            shutil.rmtree(kept, ignore_errors=True)
            _make(kept, built, project_root)
            (kept / "whole").touch()
    subprocess.run(["cp", "-a", str(kept), str(own)], check=True)
    return Release(own / "project", Keys(own / "keys"))


def _make(folder: Path, built: Built, project_root: Path) -> None:
    """A committed copy of the project with a built sample, measured and signed."""
    root = folder / "project"
    root.mkdir(parents=True)
    listing = ["git", "-C", str(project_root), "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.run(
        [*listing, "--exclude-standard"], check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (project_root / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            # With its time: what was built is not older than its source.
            shutil.copy2(project_root / name, root / name)
    demand_openssh()
    (folder / "keys").mkdir()
    release = Release(root, Keys(folder / "keys"))
    signers = "".join(release.keys.line(role, role) for role in release.gate.sign_offs.roles)
    (root / "contracts/gates/allowed_signers").write_text(signers)
    git(root, "init", "-q")
    release.commit()
    shutil.copyfile(built.settings[TARGET]["MBP_DUCKDB_PATH"], root / "mbp.duckdb")
    shutil.copytree(built.artifacts(TARGET), root / "target")
    with release.inside():
        install_packages(root)
        documented = ["docs", "generate", "--no-compile", "--static"]
        demand(run_dbt(root, documented, target=TARGET, quiet=True))
    release.measure()
    release.sign()


@pytest.fixture
def release(released: Release, tmp_path: Path) -> Release:
    return released.copy(tmp_path / "project")
