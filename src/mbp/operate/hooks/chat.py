"""A decision as a message for a chat: Slack's incoming webhooks (Block Kit), or Microsoft Teams (an Adaptive Card).

Sources: Slack, "Sending messages using incoming webhooks"; Microsoft, "Post a workflow when a webhook request is
received in Microsoft Teams" and the schema of Adaptive Cards 1.4.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

# Of one value, in characters: a section of Block Kit has at most 3,000.
LONGEST = 800
FACTS = {
    "value": "measured",
    "samples": "samples",
    "target": "target",
    "cause": "cause",
    "breached_at": "since",
    "action": "action",
    "owner": "owner",
    "runbook_url": "runbook",
}


def title(facts: Mapping[str, Any]) -> str:
    """Such as: dec_latency opened on all: breach."""
    return f"{facts['hook']} {facts['event']} on {facts['entity']}: {facts['reason']}"


def slack(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an incoming webhook of Slack."""
    lines = [f"*{_slack_text(title(facts))}*"]
    lines += [f"{name}: {_slack_text(value)}" for name, value in _shown(facts).items()]
    lines.append(f"next: `mbp incident show {_slack_text(facts['decision_id'])[:8]}`")
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)}}
    return {"text": _slack_text(title(facts)), "blocks": [section]}


def teams(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a workflow's webhook of Teams."""
    shown = [{"title": name, "value": value} for name, value in _shown(facts).items()]
    shown.append({"title": "next", "value": f"mbp incident show {str(facts['decision_id'])[:8]}"})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": title(facts), "weight": "Bolder", "wrap": True},
            {"type": "FactSet", "facts": shown},
        ],
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [content]}


KINDS = {"slack": slack, "teams": teams}


def _shown(facts: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(facts[key])[:LONGEST]
        for key, name in FACTS.items()
        if facts.get(key) not in (None, "", "None")
    }


def _slack_text(value: Any) -> str:
    """What Slack reads as markup is shown as it is."""
    return html.escape(str(value), quote=False)[:LONGEST]
