"""`mbp registry`: published versions of contracts."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import typer

from mbp.cli.commands import CONTRACTS
from mbp.cli.options import DATASETS, Datasets, Format, ReportFormat, Target
from mbp.core.errors import MbpError
from mbp.core.paths import project_root
from mbp.core.reporting import Finding, Suite, report
from mbp.core.reporting.progress import progress


def register(app: typer.Typer) -> None:
    """Adds `mbp registry`."""
    registry = typer.Typer(
        no_args_is_help=True, help="Published versions of contracts: publish, list, show, verify."
    )
    registry.command("publish", epilog="Example: mbp registry publish orders")(publish)
    registry.command("list", epilog="Example: mbp registry list --format json")(listing)
    registry.command("show", epilog="Example: mbp registry show orders --part json-schema")(show)
    registry.command("verify", epilog="Example: mbp registry verify --ref origin/main")(verify)
    registry.command(
        "status",
        epilog="Example: mbp registry status orders 1.0.0 deprecated --sunset 2027-06-30 --by DATA",
    )(status)
    registry.command("prove", epilog="Example: mbp registry prove orders --target postgres")(prove)
    registry.command(
        "drift", epilog="Example: mbp registry drift --target duckdb --target postgres"
    )(drift)
    app.add_typer(registry, name="registry", rich_help_panel=CONTRACTS)


def publish(
    datasets: Datasets = None,
    by: Annotated[
        str | None, typer.Option(help="Team that publishes; else the contract's.")
    ] = None,
) -> None:
    """Publish the working contracts as immutable versions. Published versions stay unchanged."""
    from mbp.contracts import load_contracts
    from mbp.contracts.policy import load_policy
    from mbp.contracts.registry.publish import publish as publish_one
    from mbp.contracts.registry.version_policy import load_exceptions, load_rules

    root = project_root()
    policy = load_policy(root)
    contracts = {contract.dataset: contract for contract in load_contracts(root)}
    names = sorted(contracts)
    rules, exceptions = load_rules(root, names), load_exceptions(root, names, policy)
    for dataset in datasets or names:
        if dataset not in contracts:
            raise MbpError(f"no contract of {dataset!r}", fix=f"one of {', '.join(names)}")
        publisher = policy.check_owner(by or contracts[dataset].owner, "--by", None)
        done = publish_one(
            root,
            dataset,
            publisher=publisher,
            today=date.today(),
            rules=rules[dataset],
            exceptions=exceptions,
        )
        typer.echo(f"{done.subject:24} {done.version!s:10} {done.what}")


def listing(form: ReportFormat = "text") -> None:
    """List every published version with its stage and hash."""
    from mbp.contracts.published_versions import datasets, published
    from mbp.contracts.registry.life import stages
    from mbp.core.reporting import show

    root = project_root()
    rows = [
        {
            "subject": version.subject,
            "dataset": version.dataset,
            "version": str(version.version),
            "status": now[str(version.version)]["status"],
            "sunset": now[str(version.version)].get("sunset"),
            "published_on": version.document["published_on"],
            "publisher": version.document["publisher"],
            "sha256": version.sha256,
        }
        for dataset in datasets(root)
        for now in (stages(root, dataset),)
        for version in published(root, dataset)
    ]
    if not rows:
        raise MbpError(
            "nothing is published", path="contracts/registry", fix="mbp registry publish"
        )
    lines = []
    for row in rows:
        until = f" until {row['sunset']}" if row["sunset"] else ""
        lines.append(
            f"{row['subject']:24} {row['version']:10} {row['status']}{until:18} "
            f"{row['published_on']} {row['publisher']:6} {str(row['sha256'])[:16]}"
        )
    show(form, text="\n".join(lines), json=rows)


def show(
    dataset: Annotated[
        str,
        typer.Argument(help="Dataset, or subject like sales.orders.v1.", autocompletion=DATASETS),
    ],
    version: Annotated[str | None, typer.Option(help="Version; the newest without it.")] = None,
    part: Annotated[
        Literal["all", "contract", "json-schema", "avro"], typer.Option(help="Part to show.")
    ] = "all",
) -> None:
    """Show one published version as JSON, or the schema that follows from it."""
    from mbp.contracts.published_versions import datasets, newest, published
    from mbp.core.reporting.output_forms import dumps

    root = project_root()
    for name in datasets(root):
        publisheds = [
            candidate
            for candidate in published(root, name)
            if dataset in (name, candidate.subject) and version in (None, str(candidate.version))
        ]
        chosen = newest(publisheds)
        if chosen is not None:
            parts = {
                "all": {**chosen.document, "sha256": chosen.sha256},
                "contract": chosen.document["contract"],
                "json-schema": chosen.document["json_schema"],
                "avro": chosen.document["avro_schema"],
            }
            typer.echo(dumps(parts[part]), nl=False)
            return
    raise MbpError(
        f"{dataset} {version or ''} is not published".replace("  ", " "),
        fix="see `mbp registry list`",
    )


def verify(
    ref: Annotated[
        str | None,
        typer.Option(help="A git ref whose published files must be unchanged, byte by byte."),
    ] = None,
    form: Format = "text",
) -> None:
    """Verify hashes, chain and form of all published versions, their life cycle, and the policy and exceptions.

    Exit code: 0 nothing was changed, 1 findings, 2 a file cannot be read.
    """
    from mbp.contracts import load_contracts
    from mbp.contracts.policy import load_policy
    from mbp.contracts.published_versions import datasets
    from mbp.contracts.registry.life import RULES, sunset_findings
    from mbp.contracts.registry.registry_check import verify_registry
    from mbp.contracts.registry.version_policy import load_exceptions, load_rules

    root = project_root()
    names = [contract.dataset for contract in load_contracts(root)]
    load_rules(root, names)
    load_exceptions(root, names, load_policy(root))
    files, problems = verify_registry(root, ref)
    findings = [Finding("published_changed", what, path) for path, what in problems]
    for name in datasets(root):
        findings += sunset_findings(root, name, date.today())
    report(Suite("mbp registry verify", files, findings, RULES, unit="published version"), form)


def status(
    dataset: Annotated[str, typer.Argument(help="Dataset.", autocompletion=DATASETS)],
    version: Annotated[str, typer.Argument(help="Published version.")],
    stage: Annotated[str, typer.Argument(help="active, deprecated or retired.")],
    by: Annotated[str, typer.Option(help="Team that decides.")],
    sunset: Annotated[str | None, typer.Option(help="Last day of a deprecated version.")] = None,
) -> None:
    """Set the stage of a published version: draft, active, deprecated, retired."""
    from mbp.contracts.policy import load_policy
    from mbp.contracts.registry.life import enter

    root = project_root()
    team = load_policy(root).check_owner(by, "--by", None)
    try:
        last_day = date.fromisoformat(sunset) if sunset else None
    except ValueError as error:
        raise MbpError(f"--sunset {sunset!r} is not a day", fix="write YYYY-MM-DD") from error
    moved = enter(root, dataset, version, stage, today=date.today(), by=team, sunset=last_day)
    typer.echo(f"{dataset} {version} is {stage}" + ("" if moved else " already"))


def prove(
    dataset: Annotated[
        str,
        typer.Argument(help="Dataset whose working contract is tighter.", autocompletion=DATASETS),
    ],
    target: Target = None,
) -> None:
    """Check every tightening against the rows in the warehouse; store the proofs."""
    from mbp.contracts.compatibility.odcs_tables import tables
    from mbp.contracts.registry.odcs_documents import working
    from mbp.contracts.registry.proof import prove as prove_one
    from mbp.contracts.registry.proof import rule_of
    from mbp.contracts.registry.registry_check import to_prove
    from mbp.quality.compiled_tests import rule_queries
    from mbp.runs.dbt_process import target_name
    from mbp.warehouse import connect

    root = project_root()
    changes = to_prove(root, dataset)
    table = tables(working(root)[dataset], dataset)[dataset]
    ruled = any(rule_of(change, table) for change in changes)
    queries = rule_queries(root, target_name(root, target)) if ruled else {}
    with connect(root, target, read_only=True) as warehouse:
        for change in changes:
            proof = prove_one(root, dataset, change, table, warehouse, queries)
            typer.echo(
                f"{change.code} {change.path}: 0 of {proof['rows_checked']:,} rows break it, "
                f"proof {proof['fingerprint']}"
            )


def drift(
    target: Annotated[
        list[str] | None, typer.Option(help="dbt targets whose tables are compared.")
    ] = None,
    form: Format = "text",
) -> None:
    """Count where contract, registry, manifest and live tables differ; the gate demands zero."""
    from dataclasses import asdict

    from mbp.quality.drift import find_drift
    from mbp.runs.dbt_process import target_name

    root = project_root()
    targets = [target_name(root, name) for name in target or (None,)]
    with progress() as shown:
        shown.say(f"comparing contracts, registry, manifest and the tables of {', '.join(targets)}")
        drifts, places = find_drift(root, targets)
    findings = [
        Finding(
            "schema_drift",
            f"{difference.where}: {difference.what}: expected {difference.expected}, found {difference.actual}",
            subject=difference.subject,
        )
        for difference in drifts
    ]
    total = f"schema drift: {len(drifts)} ({places} comparisons on {', '.join(targets)})"
    document = {
        "drift": len(drifts),
        "compared": places,
        "targets": targets,
        "differences": [asdict(difference) for difference in drifts],
    }
    report(Suite("mbp registry drift", targets, findings, {}, document, "target", total), form)
