"""One way to break each code of lint: the contract of the markets as a document, spoiled in one place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.python.contracts.lint.places import (
    ABUSE_EVENTS,
    GLOSSARY,
    MARKETS,
    METRICS,
    POLICY,
    TODAY,
)

Document = Any
Edit = Callable[[Document], None]


def column(document: Document, name: str) -> Document:
    return next(one for one in document["schema"][0]["properties"] if one["name"] == name)


def rule(document: Document, name: str) -> Document:
    return next(one for one in document["schema"][0]["quality"] if one["id"] == name)


def level(document: Document, kind: str) -> Document:
    return next(one for one in document["slaProperties"] if one["property"] == kind)


def custom(entry: Document, name: str, value: Any) -> None:
    """Sets a custom property; None removes it."""
    kept = [one for one in entry.get("customProperties", []) if one["property"] != name]
    more = [] if value is None else [{"property": name, "value": value}]
    entry["customProperties"] = [*kept, *more]


VOLUME, SPAN = "mbp_markets_volume", "mbp_markets_close_after_open"


def warn(expires: Any, reason: str | None = "It is new.") -> Edit:
    def edit(document: Document) -> None:
        entry = rule(document, SPAN)
        entry["severity"] = "warning"
        custom(entry, "expires", expires)
        custom(entry, "reason", reason)

    return edit


def excepted(code: str, name: str, until: date) -> dict[str, str]:
    reason = "made for the test"
    return {"code": code, "object": name, "owner": "DATA", "reason": reason, "until": str(until)}


def set_in(place: Callable[[Document], Document], key: str, value: Any) -> Edit:
    def edit(document: Document) -> None:
        place(document)[key] = value

    return edit


def drop(place: Callable[[Document], Document], key: str) -> Edit:
    def edit(document: Document) -> None:
        del place(document)[key]

    return edit


def of_column(name: str) -> Callable[[Document], Document]:
    return lambda document: column(document, name)


def of_rule(name: str) -> Callable[[Document], Document]:
    return lambda document: rule(document, name)


def of_level(kind: str) -> Callable[[Document], Document]:
    return lambda document: level(document, kind)


def whole(document: Document) -> Document:
    return document


def table(document: Document) -> Document:
    return document["schema"][0]


def customs(place: Callable[[Document], Document], name: str, value: Any) -> Edit:
    return lambda document: custom(place(document), name, value)


def twice(place: Callable[[Document], list[Any]], index: int = 0) -> Edit:
    def edit(document: Document) -> None:
        entries = place(document)
        entries.append(YAML(typ="safe").load(_text(entries[index])))

    return edit


def _text(entry: Any) -> str:
    from io import StringIO

    stream = StringIO()
    YAML().dump(entry, stream)
    return stream.getvalue()


def _types(document: Document, name: str, **types: str) -> None:
    before = {"duckdb": "DECIMAL(18,8)", "postgres": "numeric(18,8)", "spark": "decimal(18,8)"}
    custom(column(document, name), "physicalTypes", {**before, **types})


def _physical_type(document: Document) -> None:
    column(document, "min_liquidity")["physicalType"] = "decimal"


# Code -> (file, edit of its document).
EDITS: dict[str, tuple[str, Edit]] = {
    "ODCS-001": (MARKETS, set_in(whole, "stauts", "active")),
    "ODCS-002": (MARKETS, drop(whole, "kind")),
    "ODCS-003": (MARKETS, set_in(of_column("market_id"), "required", "often")),
    "ODCS-004": (MARKETS, set_in(whole, "apiVersion", "v3.0.2")),
    "ODCS-005": (
        MARKETS,
        set_in(of_column("name"), "logicalTypeOptions", {"minLength": 3, "maxLength": 2}),
    ),
    "ODCS-006": (
        MARKETS,
        lambda document: column(document, "status")["quality"][0]["arguments"][
            "validValues"
        ].append(True),
    ),
    "ODCS-007": (MARKETS, twice(lambda document: table(document)["properties"])),
    "A106-003": (MARKETS, twice(lambda document: document["schema"])),
    "A106-004": (MARKETS, set_in(of_column("category"), "name", "Category")),
    "A106-005": (MARKETS, set_in(table, "physicalName", "markets")),
    "A106-006": (MARKETS, set_in(whole, "version", "one")),
    "A106-007": (MARKETS, set_in(whole, "status", "draft")),
    "A106-008": (MARKETS, drop(whole, "team")),
    "A106-009": (MARKETS, set_in(lambda document: document["team"], "name", "NOBODY")),
    "A106-010": (MARKETS, drop(whole, "name")),
    "A106-011": (MARKETS, drop(lambda document: document["description"], "usage")),
    "A106-012": (MARKETS, drop(whole, "domain")),
    "A106-013": (MARKETS, drop(whole, "support")),
    "A106-014": (MARKETS, drop(whole, "servers")),
    "A106-015": (MARKETS, drop(table, "dataGranularityDescription")),
    "A106-016": (MARKETS, drop(table, "properties")),
    "A106-017": (MARKETS, twice(lambda document: table(document)["properties"], 3)),
    "A106-018": (MARKETS, set_in(of_column("template_id"), "primaryKey", True)),
    "A106-019": (MARKETS, lambda document: document["slaProperties"].pop()),
    "A106-020": (MARKETS, set_in(of_level("retention"), "property", "retension")),
    "A106-021": (MARKETS, twice(lambda document: document["slaProperties"])),
    "A106-022": (MARKETS, set_in(of_level("latency"), "unit", "fortnight")),
    "A106-023": (MARKETS, set_in(of_level("completeness"), "value", 99)),
    "A106-024": (MARKETS, set_in(of_level("freshness"), "element", "mbp_quotes")),
    "A106-025": (MARKETS, drop(of_level("freshness"), "description")),
    "A106-026": (MARKETS, drop(of_column("category"), "physicalType")),
    "A106-027": (MARKETS, customs(of_column("category"), "physicalTypes", {"duckdb": "VARCHAR"})),
    "A106-028": (
        MARKETS,
        lambda document: _types(document, "min_liquidity", spark="decimal(18,4)"),
    ),
    "A106-029": (
        MARKETS,
        set_in(of_column("template_id"), "relationships", [{"type": "foreignKey", "to": "x"}]),
    ),
    "A106-030": (
        MARKETS,
        set_in(of_column("template_id"), "relationships", [{"to": "templates.template_id"}]),
    ),
    "A106-031": (
        MARKETS,
        set_in(of_column("template_id"), "relationships", [{"to": "mbp_quotes.template_id"}]),
    ),
    "A106-032": (
        MARKETS,
        set_in(of_column("template_id"), "relationships", [{"to": "mbp_quotes.quoted_at"}]),
    ),
    "A106-033": (MARKETS, set_in(whole, "id", "urn:mbp:datacontract:mbp_abuse_events")),
    "A106-034": (MARKETS, customs(of_column("category"), "units", "text")),
    "A106-035": (
        MARKETS,
        twice(lambda document: column(document, "category")["customProperties"]),
    ),
    "A106-037": (MARKETS, drop(of_column("market_id"), "required")),
    "A106-039": (MARKETS, set_in(of_column("category"), "description", "See <b>this</b>.")),
    "A106-041": (MARKETS, customs(whole, "changeLog", {"table": "markets", "key": "name"})),
    "A106-042": (MARKETS, customs(of_column("market_id"), "derived", "yes")),
    "A106-043": (MARKETS, customs(whole, "changeLog", None)),
    "A106-040": (MARKETS, set_in(of_column("category"), "physicalType", "string; drop")),
    "A106-045": (MARKETS, set_in(of_column("category"), "description", "TODO: what it is.")),
    "A87-001": (MARKETS, drop(of_column("category"), "description")),
    "A87-002": (MARKETS, set_in(of_column("opened_at"), "description", "Opened at.")),
    "A87-003": (MARKETS, customs(of_column("min_liquidity"), "unit", None)),
    "A87-004": (MARKETS, customs(of_column("min_liquidity"), "unit", " ")),
    "A87-005": (MARKETS, customs(of_column("category"), "unit", "letters")),
    "A87-006": (GLOSSARY, lambda document: _keep(document, "terms", "mbp_markets")),
    "A87-007": (METRICS, lambda document: _keep(document, "metrics", "mbp_markets")),
    "A87-008": (GLOSSARY, lambda document: document["terms"][0].pop("definition")),
    "A87-009": (GLOSSARY, twice(lambda document: document["terms"])),
    "A87-010": (METRICS, set_in(lambda document: document["metrics"][0], "owner", "NOBODY")),
    "A89-001": (POLICY, drop(whole, "severities")),
    "A89-002": (POLICY, lambda document: document["families"].pop("cdc_order")),
    "A89-003": (
        POLICY,
        lambda document: document["exceptions"].append(excepted("range", "mbp_nothing", TODAY)),
    ),
    "A89-004": (MARKETS, lambda document: table(document)["quality"].pop(0)),
    "A89-005": (
        POLICY,
        lambda document: document["exceptions"].append(excepted("range", "mbp_quotes", TODAY)),
    ),
    "A89-006": (MARKETS, drop(of_rule(SPAN), "dimension")),
    "A89-007": (MARKETS, customs(of_rule(SPAN), "owner", None)),
    "A89-008": (MARKETS, customs(of_rule(SPAN), "family", "consistence")),
    "A89-009": (MARKETS, customs(of_rule(VOLUME), "family", "range")),
    "A89-010": (MARKETS, set_in(of_rule(SPAN), "severity", "fatal")),
    "A89-011": (MARKETS, customs(of_rule(VOLUME), "reason", None)),
    "A89-012": (MARKETS, customs(of_column("min_liquidity"), "ruleReasons", None)),
    "A89-013": (MARKETS, drop(of_column("min_liquidity"), "logicalTypeOptions")),
    "A89-014": (MARKETS, warn(None)),
    "A89-015": (MARKETS, warn(str(TODAY - timedelta(days=1)))),
    "A89-016": (MARKETS, warn(str(TODAY + timedelta(days=4000)))),
    "A89-017": (MARKETS, customs(of_rule(SPAN), "expires", str(TODAY))),
    "A89-018": (MARKETS, set_in(of_rule(SPAN), "id", "mbp_markets_market_id_not_null")),
    "A89-019": (MARKETS, customs(of_rule(SPAN), "columns", None)),
    "A89-020": (MARKETS, customs(of_rule(SPAN), "columns", ["opened_on"])),
    "A89-021": (MARKETS, set_in(of_rule(SPAN), "implementation", {"tset": "x"})),
    "A89-022": (MARKETS, set_in(of_rule(SPAN), "implementation", {"test": "nothing"})),
    "A89-023": (MARKETS, set_in(of_rule(VOLUME), "metric", "duplicateValues")),
    "A89-024": (
        MARKETS,
        set_in(
            of_column("min_liquidity"), "logicalTypeOptions", {"minimum": 0, "exclusiveMaximum": 9}
        ),
    ),
    "A89-025": (
        MARKETS,
        set_in(of_column("min_liquidity"), "logicalTypeOptions", {"minimum": 2, "maximum": 1}),
    ),
    "A89-026": (
        MARKETS,
        set_in(of_column("min_liquidity"), "logicalTypeOptions", {"minimum": 0, "multipleOf": 2}),
    ),
    "A89-027": (
        POLICY,
        lambda document: document["exceptions"][0].update(until=str(TODAY - timedelta(days=1))),
    ),
    "A89-028": (MARKETS, set_in(of_rule(SPAN), "id", "Market-Span")),
    "A89-029": (
        MARKETS,
        set_in(
            of_rule(SPAN),
            "implementation",
            {"test": "not_null", "arguments": {"where": "(select 1)"}},
        ),
    ),
    "A108-001": (MARKETS, drop(of_column("category"), "classification")),
    "A108-002": (MARKETS, set_in(of_column("category"), "classification", "secret")),
    "A108-003": (ABUSE_EVENTS, customs(of_column("user_id_hash"), "classificationReason", None)),
    "A108-004": (ABUSE_EVENTS, drop(of_column("user_id_hash"), "logicalTypeOptions")),
    "A108-005": (MARKETS, set_in(of_column("category"), "name", "user_email")),
    "A106-044": (MARKETS, set_in(of_column("category"), "physicalName", "kind")),
    "TRAP-001": (
        MARKETS,
        set_in(
            of_column("min_liquidity"),
            "logicalTypeOptions",
            {"exclusiveMinimum": 0, "exclusiveMaximum": 9},
        ),
    ),
    "TRAP-002": (MARKETS, twice(lambda document: column(document, "status")["quality"])),
    "TRAP-003": (
        MARKETS,
        set_in(of_column("template_id"), "logicalTypeOptions", {"pattern": "^a|b$"}),
    ),
    "TRAP-004": (
        MARKETS,
        set_in(of_column("template_id"), "logicalTypeOptions", {"pattern": "^(?=a)a$"}),
    ),
    "TRAP-005": (MARKETS, set_in(of_rule(SPAN), "type", "text")),
    "TRAP-006": (MARKETS, set_in(of_rule(SPAN), "engine", "soda")),
    "TRAP-007": (MARKETS, set_in(of_level("freshness"), "property", "availability")),
    "TRAP-008": (MARKETS, drop(of_column("min_liquidity"), "physicalType")),
    "TRAP-009": (MARKETS, _physical_type),
    "TRAP-010": (MARKETS, set_in(of_level("retention"), "unit", "m")),
    "TRAP-011": (MARKETS, set_in(of_column("category"), "description", "Like {{ this }}.")),
    "TRAP-012": (MARKETS, set_in(of_column("category"), "name", "select")),
    "TRAP-013": (MARKETS, set_in(of_column("category"), "name", "a" * 64)),
    "TRAP-014": (
        MARKETS,
        set_in(of_column("template_id"), "logicalTypeOptions", {"pattern": r"^\w+$"}),
    ),
}


def _keep(document: Document, key: str, without: str) -> None:
    document[key] = [one for one in document[key] if one.get("dataset") != without]


def _replace(file: str, text: str, other: str) -> Callable[[Path], None]:
    def do(root: Path) -> None:
        path = root / file
        path.write_text(path.read_text(encoding="utf-8").replace(text, other, 1), encoding="utf-8")

    return do


def _append(file: str, text: str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        path = root / file
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")

    return spoil


def _move(root: Path, name: str) -> None:
    (root / MARKETS).rename((root / MARKETS).parent / name)


def _repeat(root: Path) -> None:
    path = root / MARKETS
    text = path.read_text(encoding="utf-8").replace("domain: ", "domain: other\ndomain: ", 1)
    path.write_text(text, encoding="utf-8")


# Code -> what is done to the files, where a document cannot say it.
SPOILED: dict[str, Callable[[Path], None]] = {
    "YAML-001": _append(MARKETS, "\n: [broken\n"),
    "YAML-002": _repeat,
    "TRAP-015": _replace(MARKETS, "logicalType: string", "logicalType: no"),
    "YAML-003": lambda root: (root / MARKETS).write_text("", encoding="utf-8"),
    "A106-001": lambda root: _move(root, "mbp_markets.yaml"),
    "A106-002": lambda root: _move(root, "mbp_other.odcs.yaml"),
    "A87-011": lambda root: (root / "models/_exposures.yml").write_text(
        "ref('mbp_abuse_events') ref('mbp_quotes') ref('mbp_resolutions')"
    ),
    "A106-036": lambda root: (root / "models/marts/mbp/mbp_new.sql").write_text("select 1"),
}


def spoil(root: Path, code: str) -> str:
    """Breaks the code in the project; the file that is spoiled."""
    if code in SPOILED:
        SPOILED[code](root)
        return MARKETS
    file, edit = EDITS[code]
    yaml = YAML()
    document = yaml.load(root / file)
    edit(document)
    yaml.dump(document, root / file)
    return file
