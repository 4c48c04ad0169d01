"""All documents, read and checked; the generated ones: log of the decisions, index of the runbooks, table of codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.files import stale
from mbp.core.paths import shown
from mbp.core.reporting import Finding, Suite
from mbp.core.templates import templates
from mbp.core.wording import many
from mbp.release.documents.document_findings import (
    RULES,
    NamedThings,
    body_findings,
    finding,
    front_findings,
    set_findings,
)
from mbp.release.documents.markdown_body import POLICY, Document, Kind, read_document
from mbp.runs import envelope

NAME = "mbp docs check"
EVIDENCE = "documents"
PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("adr", "docs/adr/*.md"),
    ("runbook", "docs/runbooks/*.md"),
    ("plan", "docs/pre_ga_plan.md"),
)


@dataclass(frozen=True)
class DocumentReport:
    """Every document, and everything that is wrong.

    Attributes:
        documents: in the order of kind and path.
        findings: those of the documents, and those of no document (a hook without a runbook, a stale index).
        stale: generated documents that do not say what the front matter says.
    """

    documents: tuple[Document, ...]
    findings: tuple[Finding, ...]
    stale: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Something was found, and nothing is wrong with it."""
        return bool(self.documents) and not self.findings

    @property
    def decision_log_fresh(self) -> bool:
        """The decision log agrees with the decisions."""
        return LOG_FILE not in self.stale

    def suite(self) -> Suite:
        """The findings in the form that every check has."""
        checked = [document.path for document in self.documents]
        return Suite(NAME, checked, self.findings, RULES, {"documents": self._documents()})

    def write_evidence(self, begun: envelope.Begun) -> Path:
        """Writes target/evidence/documents.json for the gate.

        Args:
            begun: taken before the documents were read.
        """
        kinds = [document.kind for document in self.documents]
        counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind, _ in PATTERNS)
        return envelope.write(
            begun,
            EVIDENCE,
            summary=f"Documents: {counted}; {many(len(self.findings), 'finding')}.",
            content={
                "documents": self._documents(),
                "decision_log": {"path": LOG_FILE, "fresh": self.decision_log_fresh},
                "stale": list(self.stale),
                "findings": [asdict(finding) for finding in self.findings],
            },
        )

    def _documents(self) -> list[dict[str, Any]]:
        return [
            {
                **{name: getattr(document, name) for name in ("kind", "path", "status", "sha256")},
                **{key: str(document.values.get(key) or "") for key in ("title", "date")},
                **{key: document.listed(key) for key in ("owners", "watchers")},
                "id": document.name,
                "findings": [
                    asdict(finding) for finding in self.findings if finding.path == document.path
                ],
            }
            for document in self.documents
        ]


def check_documents(root: Path, today: date | None = None) -> DocumentReport:
    """Reads and checks every document; writes nothing.

    Args:
        root: the project.
        today: the day that dates are held against; the day in UTC without it.

    Raises:
        MbpError: there is no document at all, or what they are held against cannot be read.
    """
    return judge(read_documents(root), NamedThings(root), today or datetime.now(UTC).date())


def judge(documents: Sequence[Document], world: NamedThings, today: date) -> DocumentReport:
    """What is wrong with documents that were read, held against a project that was read.

    Raises:
        MbpError: a file of the project cannot be read.
    """
    findings: list[Finding] = []
    for document in documents:
        own = (*front_findings(document, world, today), *body_findings(document, world))
        findings += [replace(each, path=document.path, subject=document.name) for each in own]
    findings += set_findings(documents, world)
    old = _stale(documents, world)
    findings += [finding("DOC-025", None, "it is stale", name) for name in old]
    ordered = sorted(set(findings), key=lambda finding: finding.order)
    return DocumentReport(tuple(documents), tuple(ordered), tuple(old))


def read_documents(root: Path) -> list[Document]:
    """Every document of the project, by kind and path.

    Raises:
        MbpError: there is none, or one is not UTF-8 text.
    """
    documents = [
        read_document(file, kind, shown(file, root))
        for kind, pattern in PATTERNS
        for file in sorted(root.glob(pattern))
        if shown(file, root) not in GENERATED
    ]
    if not documents:
        raise MbpError("no document: nothing to check", path="docs", fix=f"see {POLICY}")
    return documents


def rendered_documents(root: Path) -> dict[str, str]:
    """Path in the project -> content, of every generated document.

    Raises:
        MbpError: a front matter is not whole.
    """
    return rendered(read_documents(root), NamedThings(root))


def _stale(documents: Sequence[Document], world: NamedThings) -> list[str]:
    try:
        return stale(world.root, rendered(documents, world))
    except MbpError:
        # Reported as a fault of the front matter; what cannot be rendered is not fresh.
        return sorted(GENERATED)


LOG_FILE = "docs/adr/README.md"
RUNBOOKS_FILE = "docs/runbooks/README.md"
CODES_FILE = "docs/reference/documents.md"
GENERATED = (LOG_FILE, RUNBOOKS_FILE, CODES_FILE)
FIX = "run `mbp docs render` and commit the result"
NOTE = "<!-- Generated by `mbp docs render` from the front matter; do not edit. -->"


def rendered(documents: Sequence[Document], world: NamedThings) -> dict[str, str]:
    """Path in the project -> content, of every generated document. Writes nothing.

    Raises:
        MbpError: a front matter is not whole, or names a hook that is not there.
    """
    for document in documents:
        if not document.whole:
            raise MbpError(
                "the front matter is not whole", path=document.path, fix="see `mbp docs check`"
            )
    named = sorted(documents, key=lambda document: document.name)
    decisions = sorted(
        (document for document in named if document.kind == "adr"),
        key=lambda document: str(document.values["date"]),
    )
    runbooks = [document for document in named if document.kind == "runbook"]
    called = [(runbook, list(_callers(runbook, world))) for runbook in runbooks]
    return {
        LOG_FILE: _filled("decision_log.md.j2", decisions=decisions),
        RUNBOOKS_FILE: _filled("runbooks.md.j2", runbooks=called),
        CODES_FILE: _filled("codes.md.j2", rules=list(RULES.values())),
    }


def _callers(runbook: Document, world: NamedThings) -> Iterator[str]:
    """The KPIs of its hooks, and its alarms."""
    for name in runbook.listed("hooks"):
        if name not in world.hooks:
            raise MbpError(
                f"there is no hook {name}", path=runbook.path, fix="see `mbp docs check`"
            )
        kpi = world.kpis[str(world.hooks[name]["kpi"])]
        yield f"{kpi.name} `{kpi.target}`: {kpi.hook}"
    yield from (f"`{name}`" for name in runbook.listed("alarms"))


def _filled(template: str, **values: Any) -> str:
    environment = templates("mbp.release.documents")
    environment.filters.update(
        cell=lambda text: str(text).replace("|", "\\|"), file_name=lambda path: Path(path).name
    )
    return environment.get_template(template).render(note=NOTE, **values)
