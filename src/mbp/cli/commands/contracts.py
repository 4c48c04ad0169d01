"""`mbp contracts`: render what follows from the contracts, list their rules, say what is missing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from mbp.cli.commands import CONTRACTS
from mbp.cli.options import Check, Datasets, Format, Output, ReportFormat, Target, examples
from mbp.core.errors import EXIT_FINDINGS, MbpError
from mbp.core.files import write_stale
from mbp.core.paths import project_root
from mbp.core.reporting import deliver, report, show

LINT_EXAMPLES = examples(
    "mbp contracts lint",
    "mbp contracts lint contracts/a106/orders.odcs.yaml",
    "mbp contracts lint --format sarif --output lint.sarif",
    "mbp contracts lint --profile odcs ../other/orders.odcs.yaml   # any ODCS 3.0 to 3.2",
)

DIFF_EXAMPLES = examples(
    "mbp contracts diff old.odcs.yaml new.odcs.yaml",
    "mbp contracts diff contracts/registry/orders/1.0.0.json contracts/a106/orders.odcs.yaml",
    "mbp contracts diff old.odcs.yaml new.odcs.yaml --format json",
)

IMPORT_EXAMPLES = examples(
    "mbp contracts import orders                               # a model, seed or snapshot: its table and tests",
    "mbp contracts import raw.payments --key payment_id        # a table of the warehouse",
    "mbp contracts import schemas/order.schema.json --dataset orders --key order_id",
    "mbp contracts import models/schema.yml                    # properties of dbt models; also an Avro schema (.avsc)",
)

NEW_EXAMPLES = """
Example:

  mbp contracts new mbp_notes --column note_id:string --column market_id:string --column written_at:timestamptz
  --column stars:decimal(18,8)
"""

CHECK_EXAMPLES = examples(
    "mbp contracts check                                  # working tree against the registry",
    "mbp contracts check orders --format markdown     # what a reviewer reads",
    "mbp contracts check --ref origin/main --format sarif --output check.sarif",
)


def register(app: typer.Typer) -> None:
    """Adds `mbp contracts`."""
    contracts = typer.Typer(
        no_args_is_help=True,
        help="Contracts of the datasets: status, rules, lint, and the effect of changes.",
    )
    contracts.command("render", epilog="Example: mbp contracts render --check")(render)
    contracts.command("status", epilog="Example: mbp contracts status --format json")(status)
    contracts.command("rules", epilog="Example: mbp contracts rules --format json")(rules)
    contracts.command("lint", epilog=LINT_EXAMPLES)(lint)
    contracts.command("diff", epilog=DIFF_EXAMPLES)(diff)
    contracts.command("check", epilog=CHECK_EXAMPLES)(check)
    contracts.command("import", epilog=IMPORT_EXAMPLES)(import_)
    contracts.command("new", epilog=NEW_EXAMPLES)(new)
    contracts.command("explain", epilog="Example: mbp contracts explain scale_changed")(explain)
    app.add_typer(contracts, name="contracts", rich_help_panel=CONTRACTS)


def render(check: Check = False, form: Format = "text") -> None:
    """Compile the contracts into dbt properties, doc blocks, the table of rules and CODEOWNERS."""
    from mbp.contracts.rendering import render as rendering
    from mbp.core.reporting.output_forms import render_or_check

    root = project_root()
    render_or_check(check, root, _rendered(root), rendering.FIX, form)


def _rendered(root: Path) -> dict[str, str | None]:
    from mbp.contracts.rendering import render as rendering
    from mbp.contracts.rendering.code_owners import CODE_OWNERS, OWNERS, code_owners
    from mbp.core.settings import load_settings

    # CODEOWNERS is nothing that a build reads, so the build does not ask for it.
    contents = rendering.rendered(root)
    if (root / OWNERS).is_file() or not load_settings(root).hosted:
        contents[CODE_OWNERS] = code_owners(root)
    return contents


def status(form: Format = "text") -> None:
    """Show which parts of each contract are complete; exit 1 when something is missing."""
    from mbp.contracts.contract_status import matrix, matrix_document, matrix_suite

    cells = matrix(project_root())
    report(matrix_suite(cells), form, json=matrix_document(cells))


def rules(form: ReportFormat = "text") -> None:
    """List every rule of the contracts: id, severity, owner, meaning."""
    from mbp.contracts import all_rules, load_contracts
    from mbp.contracts.rules import rule_record, rules_text

    known_rules = all_rules(load_contracts(project_root()))
    show(form, text=rules_text(known_rules), json=[rule_record(rule) for rule in known_rules])


def lint(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Only these files; any ODCS file, also outside of a project."),
    ] = None,
    profile: Annotated[
        Literal["odcs", "house"] | None,
        typer.Option(
            help="odcs: the standard and known traps of tools. house: also the policy of this project."
        ),
    ] = None,
    form: Format = "text",
    output: Output = None,
) -> None:
    """List all errors of the contracts, with code, file and line.

    Without a profile, contracts of this project must follow its policy, any other file the standard.
    """
    from mbp.contracts.lint.runner import lint as lint_contracts
    from mbp.contracts.lint.runner import lint_files

    if profile == "odcs" or (profile is None and paths and not _of_project(paths)):
        suite = lint_files(paths or [], date.today())
    else:
        suite = lint_contracts(project_root(), date.today(), paths or [])
    report(suite, form, output)


def _of_project(paths: list[Path]) -> bool:
    """One of the paths is in the contracts of the project."""
    try:
        contracts = project_root() / "contracts"
    except MbpError:
        return False
    return any(path.resolve().is_relative_to(contracts.resolve()) for path in paths)


def diff(
    old: Annotated[
        Path, typer.Argument(help="Contract: ODCS YAML or JSON, or a published version.")
    ],
    new: Annotated[Path, typer.Argument(help="The contract that would replace it.")],
    by_position: Annotated[
        bool, typer.Option("--by-position", help="Readers use the order of the columns.")
    ] = False,
    form: Format = "text",
) -> None:
    """List every change between two contracts; exit 1 when one breaks readers or writers."""
    from mbp.contracts.compatibility.diff import ReaderPolicy
    from mbp.contracts.compatibility.diff import diff as changes_of
    from mbp.contracts.registry.odcs_documents import from_file
    from mbp.contracts.registry.registry_view import diff_document, diff_suite

    here = Path.cwd()
    documents = [from_file(path, here) for path in (old, new)]
    changes = changes_of(
        documents[0], documents[1], ReaderPolicy(by_position), where=(str(old), str(new))
    )
    report(diff_suite(changes, str(old), str(new)), form, json=diff_document(changes))


def check(
    datasets: Datasets = None,
    ref: Annotated[
        str | None, typer.Option(help="Compare with the contracts at a git ref.")
    ] = None,
    form: Format = "text",
    output: Output = None,
) -> None:
    """May the working contracts be merged? Exit 1: block_deploy, or a version that is too low."""
    from mbp.contracts.registry.registry_view import Impacts, markdown, suite
    from mbp.release.waivers.waiver_check import check_waived

    root = project_root()
    now = datetime.now(UTC)
    checked = check_waived(root, datasets or [], ref, today=date.today(), now=now)
    effects: Impacts = {}
    if any(result.news for result in checked):
        # Reading SQL takes a second to load.
        from mbp.quality.change_impact import impacts

        effects = impacts(root, checked)
    whole = suite(checked, effects)
    deliver(whole, form, output, markdown=markdown(checked, effects))
    if whole.failed:
        typer.echo("action: block_deploy", err=True)
        raise typer.Exit(EXIT_FINDINGS)


def import_(
    source: Annotated[
        str,
        typer.Argument(help="Model, schema.table, or a JSON Schema, Avro or dbt properties file."),
    ],
    dataset: Annotated[
        str | None, typer.Option(help="Name of the dataset. [default: of the source]")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Column that identifies a row.")] = None,
    owner: Annotated[str | None, typer.Option(help="Team. [default: first of the policy]")] = None,
    target: Target = None,
) -> None:
    """Draft a contract; what only a person knows is marked TODO, and lint lists it."""
    from mbp.runs.start_project import Import, import_contract

    for name in import_contract(project_root(), Import(source, dataset, key, owner, target)):
        typer.echo(f"wrote {name}")


def new(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset.")],
    column: Annotated[list[str], typer.Option(help="name:type; repeat it, the key first.")],
    owner: Annotated[str | None, typer.Option(help="Team. [default: first of the policy]")] = None,
) -> None:
    """Add a dataset with a change log: contract, source, staging, latest state, mart, seed, and a row of the sample.

    It builds at once. What only a person knows is marked TODO in the contract, and lint lists it.
    """
    from mbp.contracts.drafting.new_dataset import new_dataset

    root = project_root()
    written = new_dataset(root, dataset, column, owner)
    for name in (*written, *write_stale(root, _rendered(root))):
        typer.echo(f"wrote {name}")


def explain(
    code: Annotated[str | None, typer.Argument(help="A code; all codes without one.")] = None,
) -> None:
    """Explain a code of `lint` or `check`: meaning, reason, fix."""
    from mbp.contracts.fault_codes import explanation, listing
    from mbp.contracts.fault_codes import rules as lint_rules
    from mbp.contracts.registry.version_check import RULES
    from mbp.core.schema_check import did_you_mean

    known = {**lint_rules(), **RULES}
    if code is None:
        typer.echo(listing(known.values()))
        return
    rule = known.get(code) or known.get(code.upper()) or known.get(code.lower())
    if rule is None:
        raise MbpError(f"no code {code!r}", fix=did_you_mean(code, known))
    typer.echo(explanation(rule))
