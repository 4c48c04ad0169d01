"""What markets are about: templates, their categories and the sources that decide them."""

from __future__ import annotations

from typing import NamedTuple


class Template(NamedTuple):
    """A kind of question. `own_options` are the values a market of it may be decided with."""

    template_id: str
    category: str
    wording: str
    source_ref: str
    own_options: tuple[str, ...] = ("YES", "NO")


TEMPLATES: tuple[Template, ...] = (
    Template(
        "release-by-date",
        "delivery",
        "Will {subject} be released in week {week}?",
        "release.calendar#shipped_at",
    ),
    Template(
        "uptime-target",
        "reliability",
        "Will {subject} keep 99.9 % availability in week {week}?",
        "slo.weekly#availability",
    ),
    Template(
        "quarter-revenue",
        "finance",
        "Will {subject} reach its revenue plan of week {week}?",
        "finance.plan#attainment",
    ),
    Template(
        "hiring-target",
        "people",
        "Will {subject} fill its open positions by week {week}?",
        "hiring.board#filled",
    ),
    Template(
        "adoption-threshold",
        "product",
        "Will {subject} pass 1,000 weekly users in week {week}?",
        "product.usage#weekly_users",
    ),
    Template(
        "leading-variant",
        "product",
        "Which variant of {subject} leads in week {week}?",
        "experiments.result#leader",
        ("VARIANT_A", "VARIANT_B", "VARIANT_C"),
    ),
    Template(
        "incident-count",
        "reliability",
        "Will {subject} have fewer than three incidents in week {week}?",
        "incidents.weekly#count",
    ),
)

SUBJECTS: tuple[str, ...] = (
    "the checkout rewrite",
    "the partner portal",
    "the fraud model",
    "the mobile wallet",
    "the ledger service",
    "the onboarding flow",
    "the search index",
    "the pricing engine",
    "the support desk",
    "the data platform",
    "the loyalty programme",
    "the settlement job",
    "the merchant app",
)

RULE_VERSIONS: tuple[str, ...] = ("1.2.0", "1.3.0", "2.0.1")


def market_name(template: Template, market: int) -> str:
    """Question of the market with this number; unique, for the week number grows with it."""
    week = 2 + market // (len(TEMPLATES) * len(SUBJECTS))
    return template.wording.format(subject=SUBJECTS[market % len(SUBJECTS)], week=week)
