"""The codes of `mbp docs check`. A code never changes its meaning and is never given to another rule."""

from __future__ import annotations

from collections.abc import Mapping

from mbp.core.reporting import CodeMeaning, Finding

_TOLD = (
    (
        "DOC-001",
        "There is no document of a kind.",
        "Where nothing was found nothing was checked, and that is never a pass.",
        "write one, or restore the folder",
    ),
    (
        "DOC-002",
        "The front matter cannot be read.",
        "Status, owners and date are read from there; without them a document has none.",
        "begin the file with YAML between two --- lines",
    ),
    (
        "DOC-003",
        "The front matter does not follow its schema.",
        "A mistyped key is lost in silence, and with it what it was to say.",
        "correct what the message names",
    ),
    (
        "DOC-004",
        "The id does not match the name of the file.",
        "The on-call engineer searches for a file with the name of the id.",
        "ADR-007 is in adr_007_<words>.md, anything else in <id>.md",
    ),
    (
        "DOC-005",
        "The first heading is not the title.",
        "The index shows the one and the reader the other.",
        "let the document begin with `# <title>`, behind the id and a colon for a decision",
    ),
    (
        "DOC-006",
        "Decisions are not numbered without a gap.",
        "A missing number is a decision that was deleted.",
        "restore the decision; one that does not hold any more is superseded or rejected",
    ),
    (
        "DOC-007",
        "Of two decisions that supersede each other only one says so, or they form a circle.",
        "A reader of the older decision must be led to the one that holds.",
        "name each in the other (supersedes, superseded_by); the older one is superseded",
    ),
    (
        "DOC-008",
        "An owner is not a team of contracts/a89/policy.yaml.",
        "No team would be responsible.",
        "name a team of the policy",
    ),
    (
        "DOC-009",
        "A watcher, hook or alarm is not one of A87 and A110.",
        "The document would be for something that never calls.",
        "use a name of the measurement sheet, of hooks.yaml or of cdc_alarms.yaml",
    ),
    (
        "DOC-010",
        "The date is not a day, or is in the future.",
        "A decision or review cannot be in the future.",
        "write the day on which it was decided or reviewed",
    ),
    (
        "DOC-011",
        "The review is overdue.",
        "What a runbook names changes; the limit is in contracts/a110/documents.yaml.",
        "go through the document, correct it, and set its date",
    ),
    (
        "DOC-013",
        "A hook or alarm, and the runbook it names, do not know each other.",
        "The on-call engineer opens that runbook.",
        "give the runbook the hook, watcher, owners and alarms, and the status active",
    ),
    (
        "DOC-014",
        "A section is missing, or they are out of order.",
        "The on-call engineer reads from the top and finds everything at its usual place.",
        "write the sections of contracts/a110/documents.yaml in their order",
    ),
    (
        "DOC-015",
        "A section says nothing.",
        "An empty heading seems to be an answer.",
        "write what is to be done, or why there is nothing to do",
    ),
    (
        "DOC-016",
        "An `mbp` command does not exist as it is written.",
        "A command that fails costs the minutes that it was to save.",
        "see `mbp --help`",
    ),
    (
        "DOC-017",
        "A shell block calls what cannot be checked.",
        "Only programs that contracts/a110/documents.yaml names, without substitutions, can be judged.",
        "use an `mbp` command, or name the program there with a reason",
    ),
    (
        "DOC-018",
        "A query is not one statement that only reads, on both engines.",
        "A reader must not be able to change anything.",
        "write one select that DuckDB and PostgreSQL both read",
    ),
    (
        "DOC-019",
        "A relation does not exist.",
        "The query would fail when it is needed.",
        "name a model, a published dataset or a control table with its schema",
    ),
    (
        "DOC-021",
        "What checks a decision does not exist.",
        "A decision that nothing checks may not be followed.",
        "name tests, `mbp` commands, rules, hooks, exercises or relations, and at least one test or command",
    ),
    (
        "DOC-022",
        "A number differs from the file that defines it.",
        "Numbers that are written twice drift apart.",
        'link the number to its YAML file, with the place as the title: `[800 ms](sheet.yaml "kpis.dec_p95.target")`',
    ),
    (
        "DOC-023",
        "A variable is read nowhere in the project.",
        "Setting it would change nothing.",
        "use a variable of the README",
    ),
    (
        "DOC-024",
        "A code block is neither sh nor sql.",
        "No check reads another language.",
        "mark it as sh or sql; describe anything else in words",
    ),
    (
        "DOC-025",
        "A generated document is stale.",
        "Index and decision log would not tell what the decisions say.",
        "run `mbp docs render` and commit the result",
    ),
)
RULES: Mapping[str, CodeMeaning] = {
    code: CodeMeaning(code, title, why, fix) for code, title, why, fix in _TOLD
}


def finding(
    code: str, line: int | None, message: str, path: str = "", subject: str = "", *, fix: str = ""
) -> Finding:
    """A finding of the code; without a path, of the document that is being checked."""
    return Finding(code, message, path, line, subject, fix or RULES[code].fix)
