"""Rules over files of the repository: contracts, hooks, documents, waivers, and the working copy itself."""

from __future__ import annotations

from mbp.contracts.contract_status import PACKS, matrix
from mbp.contracts.gates import CheckDefinition
from mbp.core.errors import MbpError
from mbp.core.wording import many
from mbp.operate.hooks.alert_rules import stale_files
from mbp.quality.coverage.documentation_coverage import judge, measure_project
from mbp.release.gate.context import Context, NotMeasuredError
from mbp.release.gate.judgement import RuleJudgement, listed, passed, rule
from mbp.runs.artifacts import changed_files, moment_of, read_artifact
from mbp.runs.dbt_process import target_path


@rule("artifacts")
def documented(context: Context, _: CheckDefinition) -> RuleJudgement:
    """What is described, of what the catalog has, reaches the threshold of the policy."""
    try:
        judged = judge(context.root, measure_project(context.root))
        manifest = read_artifact(target_path(context.root), "manifest.json", context.root)
        read_at = moment_of(manifest, "generated_at", "manifest.json")
        if changed := changed_files(context.root, manifest, read_at):
            raise NotMeasuredError(f"of another source: {', '.join(changed[:3])} changed since")
    except NotMeasuredError:
        raise
    except MbpError as error:
        raise NotMeasuredError(error.what, path=error.path) from error
    count = judged.report.count
    message = f"{count.described} of {count.total} columns and relations, demanded {judged.threshold_percent:g} %"
    return listed(
        list(judged.objections),
        message,
        f"{count.shown_percent} % (at least {judged.threshold_percent:g} %)",
    )


@rule("contracts")
def packs_complete(context: Context, _: CheckDefinition) -> RuleJudgement:
    """No dataset misses a part of a pack."""
    cells = matrix(context.root, context.now.date())
    datasets = {cell.dataset for cell in cells}
    wrong = [f"{cell.dataset} {cell.pack}: {part}" for cell in cells for part in cell.missing]
    complete = sum(not cell.missing for cell in cells)
    message = f"{', '.join(PACKS)} of {len(datasets)} datasets"
    return listed(wrong, message, f"{complete} of {len(cells)} complete")


@rule("contracts")
def owners_and_routes(context: Context, _: CheckDefinition) -> RuleJudgement:
    """No hook is wrong, each KPI has one, and alert rules, routing and dashboards are derived from them."""
    policy = context.look.policy
    watched = {hook.kpi.id for hook in policy.hooks.values()}
    wrong = [f"{finding.place}: {finding.sentence}" for finding in policy.findings]
    wrong += [f"no hook watches {kpi}" for kpi in policy.sheet.kpis if kpi not in watched]
    if not wrong:
        wrong = [f"{name} is stale" for name in stale_files(context.root)]
    message = f"{many(len(policy.hooks), 'hook')}, {many(len(policy.receivers), 'route')}"
    return listed(wrong, message, many(len(policy.hooks), "hook"))


@rule("documents", "kind")
def documents_whole(context: Context, check: CheckDefinition) -> RuleJudgement:
    """Documents of that kind are there and without findings; those that are named are accepted."""
    report = context.documents
    kind, named = check.source["kind"], list(check.source["documents"])
    checked_documents = {doc.name: doc for doc in report.documents if doc.kind == kind}
    if not checked_documents:
        raise NotMeasuredError(f"no document of the kind {kind}")
    wrong = [f"{name} is not there" for name in named if name not in checked_documents]
    wrong += [
        f"{name} is {checked_documents[name].status}"
        for name in named
        if name in checked_documents and checked_documents[name].status != "accepted"
    ]
    own = {doc.path for doc in checked_documents.values()}
    others = {doc.path for doc in report.documents} - own
    # What belongs to no document (a stale decision log, a hook without a runbook) is wrong for each kind.
    wrong += [
        f"{finding.place}: {finding.sentence}"
        for finding in report.findings
        if finding.path not in others
    ]
    documents = many(len(checked_documents), "document")
    return listed(wrong, documents, documents)


@rule("contracts")
def waivers_valid(context: Context, _: CheckDefinition) -> RuleJudgement:
    """No waiver is expired, unsigned, too long, or of something that may not be waived."""
    waivers = context.waivers
    wrong = [f"{problem.place}: {problem.sentence}" for problem in waivers.problems]
    valid = sum(judged_waiver.valid for judged_waiver in waivers.judged)
    waived = many(valid, "waiver")
    return listed(wrong, f"{waived} in force" if valid else "no waivers", waived)


@rule("repository")
def committed(context: Context, _: CheckDefinition) -> RuleJudgement:
    """The working copy is the commit, sign-offs and waivers aside."""
    source = context.source
    message = "the working copy is the commit" if source.clean else "files differ from the commit"
    return passed(source.clean, message, source.commit[:12])
