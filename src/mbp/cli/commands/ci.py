"""`mbp ci`: what a pull request builds, and what its reviewers read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from mbp.cli.commands import CONTRACTS
from mbp.cli.options import Output, examples
from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_FINDINGS
from mbp.core.files import write_text
from mbp.core.paths import project_root
from mbp.core.reporting import show
from mbp.core.verdict import Verdict

COMMENT_EXAMPLES = examples(
    "mbp ci comment target/ci --base target/base",
    'mbp ci comment reports --commit "$(git rev-parse HEAD)" --output comment.md',
)

STEP_EXAMPLES = examples(
    "mbp ci step coverage -- mbp docs coverage --format json --output target/ci/coverage.json",
    'mbp ci step build --base "$BASE" -- make build     # the command that writes target/ci/build.json and builds',
)

BaseFolder = Annotated[Path, typer.Option("--base", help="Folder of the stored build of main.")]
BaseCommit = Annotated[str, typer.Option("--base-commit", help="Full hash of the base.")]


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(
        no_args_is_help=True, help="Pull requests: what is built, and what reviewers read."
    )
    group.command(
        "plan", epilog='Example: mbp ci plan --base target/base --base-commit "$MBP_CI_BASE"'
    )(plan)
    group.command(
        "rules", epilog='Example: mbp ci rules --base target/base --base-commit "$MBP_CI_BASE"'
    )(rules)
    group.command("step", epilog=STEP_EXAMPLES)(step)
    group.command("comment", epilog=COMMENT_EXAMPLES)(comment)
    app.add_typer(group, name="ci", rich_help_panel=CONTRACTS)


def plan(
    base: BaseFolder,
    base_commit: BaseCommit,
    output: Annotated[Path | None, typer.Option(help="Write the plan here, as JSON.")] = None,
) -> None:
    """Print `slim` or `full`; a slim build starts from a copy of main's warehouse.

    Slim: only what dbt reports as modified, and everything downstream. Full: a contract changes, nothing is
    modified, or there is no stored build of exactly this base.
    """
    from dataclasses import asdict

    from mbp.release.ci import ci_steps as planning
    from mbp.warehouse.profile import read_target

    root = project_root()
    made = planning.make_plan(root, base, base_commit)
    if made.mode == "slim":
        warehouse = str(read_target(root)[1]["path"])
        planning.copy_warehouse(base, root / warehouse)
    if output is not None:
        write_text(output, json.dumps(asdict(made), indent=2) + "\n")
    typer.echo(f"{made.mode} build: {made.reason}", err=True)
    typer.echo(made.mode)


def rules(
    base: BaseFolder,
    base_commit: BaseCommit,
    limit: Annotated[int, typer.Option(min=0, max=50, help="Most rows per finding.")] = 5,
) -> None:
    """The rules after a build, as JSON; a rule that a slim build did not run keeps its state on main.

    Exit code: 0 every error rule holds, 1 one is broken, 2 one was not checked, or the results belong to another
    version of the project.
    """
    from mbp.quality.failures import demand_current
    from mbp.release.ci.ci_steps import look

    rules_after_build = look(project_root(), base, base_commit, limit)
    typer.echo(json.dumps(rules_after_build.document(), indent=2, ensure_ascii=False))
    demand_current(rules_after_build.failures.notes)
    if rules_after_build.broken:
        raise typer.Exit(EXIT_FINDINGS)
    if rules_after_build.blind:
        raise typer.Exit(EXIT_COULD_NOT_RUN)


def step(
    name: Annotated[str, typer.Argument(help="Step of a pull request, such as contracts.")],
    command: Annotated[list[str], typer.Argument(help="What the step runs, behind `--`.")],
    base: Annotated[str, typer.Option(help="Full hash of the commit to compare with.")] = "",
) -> None:
    """Run one step of a pull request and leave its record for the comment; the exit code is the command's."""
    from mbp.contracts.registry.odcs_documents import git
    from mbp.release.ci.ci_steps import run_step, step_named
    from mbp.release.ci.step_reports import COMMIT_VARIABLE, FOLDER, FOLDER_VARIABLE, demand_commit

    root = project_root()
    named = os.environ.get(COMMIT_VARIABLE) or git(root, "rev-parse", "HEAD").strip()
    commit, base = demand_commit(named), demand_commit(base) if base else ""
    folder = Path(os.environ.get(FOLDER_VARIABLE) or FOLDER)
    raise typer.Exit(run_step(root, folder, step_named(name), command, commit, base, typer.echo))


def comment(
    folder: Annotated[Path, typer.Argument(help="What the steps of the run left.")],
    base: Annotated[
        Path | None, typer.Option("--base", help="Folder of the stored build of main.")
    ] = None,
    commit: Annotated[
        str | None,
        typer.Option(
            help="Full hash of the commit that the reports must belong to. [default: HEAD]"
        ),
    ] = None,
    conclusion: Annotated[
        str | None,
        typer.Option(help="Conclusion of the run, as the forge reports it: success or not."),
    ] = None,
    run_url: Annotated[
        str, typer.Option(help="Page of the run at the forge: an https address.")
    ] = "",
    form: Annotated[
        Literal["markdown", "text", "json"],
        typer.Option("--format", help="Output format; text is Markdown."),
    ] = "markdown",
    output: Output = None,
) -> None:
    """Write the comment of a pull request from the reports of its run: verdict first.

    What did not run, is missing, unreadable or of another commit is listed, and the verdict is not green.
    Exit code: 0 may be merged, 1 may not, 2 could not check everything.
    """
    from mbp.contracts.registry.odcs_documents import git
    from mbp.release.ci import comment as writing
    from mbp.release.ci.step_reports import demand_commit

    root = project_root()
    comment = writing.read_comment(
        root,
        folder,
        demand_commit(commit or git(root, "rev-parse", "HEAD").strip()),
        base,
        conclusion,
        writing.demand_address(run_url),
    )
    text = writing.render(comment)
    show(form, output, text=text, markdown=text, json=writing.as_json(comment))
    if comment.verdict != Verdict.PASS:
        raise typer.Exit(EXIT_FINDINGS if comment.verdict == Verdict.FAIL else EXIT_COULD_NOT_RUN)
