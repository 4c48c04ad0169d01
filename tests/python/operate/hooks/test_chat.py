"""A decision reaches the chat of its owner, in the form that Slack and Teams document, and no markup comes to life."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft201909Validator

from mbp.core.errors import MbpError
from mbp.core.paths import StateFolder
from mbp.operate.hooks.outbox import CHAT, KINDS, deliver, endpoints, pending, put, slack, teams
from tests.python.operate.hooks.receiver import receiver

FACTS: dict[str, Any] = {
    "event": "opened",
    "decision_id": "0123456789abcdef",
    "hook": "dec_latency",
    "kpi": "dec_p95",
    "entity": "all",
    "reason": "breach",
    "value": "900",
    "samples": 57,
    "cause": "",
    "target": "<=800",
    "owner": "SRE/PM",
    "breached_at": "2026-01-06T17:50:00+00:00",
    "decided_at": "2026-01-06T17:50:05+00:00",
    "recovered_at": None,
    "rollback": "the release before",
    "runbook_url": "docs/runbooks/dec_slo_breach.md",
    "action": "rollback",
}


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


TEXT = {"type": "string", "minLength": 1, "maxLength": 3000}
# Of the documentation: Block Kit's section with a text of at most 3,000 characters; Adaptive Card 1.4 in a message.
SLACK = closed(
    text=TEXT,
    blocks={
        "type": "array",
        "minItems": 1,
        "maxItems": 50,
        "items": closed(
            type={"const": "section"}, text=closed(type={"enum": ["mrkdwn"]}, text=TEXT)
        ),
    },
)
BLOCK = {
    "oneOf": [
        closed(
            type={"const": "TextBlock"},
            text=TEXT,
            weight={"enum": ["Default", "Lighter", "Bolder"]},
            wrap={"type": "boolean"},
        ),
        closed(
            type={"const": "FactSet"},
            facts={"type": "array", "minItems": 1, "items": closed(title=TEXT, value=TEXT)},
        ),
    ]
}
CARD = closed(
    **{
        "$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"},
        "type": {"const": "AdaptiveCard"},
        "version": {"enum": ["1.0", "1.1", "1.2", "1.3", "1.4"]},
        "body": {"type": "array", "minItems": 1, "items": BLOCK},
    }
)
TEAMS = closed(
    type={"const": "message"},
    attachments={
        "type": "array",
        "minItems": 1,
        "items": closed(
            contentType={"const": "application/vnd.microsoft.card.adaptive"}, content=CARD
        ),
    },
)


@pytest.mark.parametrize(("kind", "schema"), [("slack", SLACK), ("teams", TEAMS)])
@pytest.mark.parametrize(
    "cause", ["", "mbp_quotes_fk of mbp_quotes (owner DATA): fail", "x" * 9000]
)
def test_a_message_has_the_documented_form(kind: str, schema: dict[str, Any], cause: str) -> None:
    body = KINDS[kind]({**FACTS, "cause": cause})
    Draft201909Validator(schema).validate(body)
    text = json.dumps(body)
    for told in (
        "dec_latency opened on all: breach",
        "57",
        "mbp incident show 01234567",
        "runbooks",
    ):
        assert told in text
    assert ("cause" in text) is bool(cause)
    assert len(text.encode()) < 28 * 1024  # the limit of Teams


def test_what_is_missing_makes_no_line() -> None:
    facts = {**FACTS, "value": None, "samples": None}
    assert "measured" not in json.dumps(slack(facts))
    assert "samples" not in json.dumps(teams(facts))


def test_no_name_from_data_becomes_a_link_or_a_mention() -> None:
    text = slack({**FACTS, "entity": "<!channel> <https://x|y> &"})["blocks"][0]["text"]["text"]
    assert "<" not in text.replace("&lt;", "")
    assert "&lt;!channel&gt;" in text


def test_each_owner_has_a_chat_of_its_own(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StateFolder(tmp_path)
    put(folder, CHAT, "one.chat.opened", FACTS)
    put(folder, CHAT, "two.chat.opened", {**FACTS, "owner": "DATA"})
    put(folder, CHAT, "six.chat.opened", {**FACTS, "owner": "FE"})
    with receiver() as sre, receiver(500, 500, 500) as data:
        monkeypatch.setenv("MBP_CHAT_SRE", f"slack+{sre.url}/hook")
        monkeypatch.setenv("MBP_CHAT_DATA", f"teams+{data.url}/flow")
        to = endpoints()
        assert (to.takes(CHAT, "SRE"), to.takes(CHAT, "FE")) == (True, False)
        problems = deliver(tmp_path, folder, to)
    ((path, headers, body),) = sre.requests
    assert path == "/hook"
    assert "X-MBP-Signature" not in headers
    Draft201909Validator(SLACK).validate(json.loads(body))
    Draft201909Validator(TEAMS).validate(json.loads(data.requests[0][2]))
    assert problems == ["two.chat.opened stays in the outbox: answered 500"]
    assert pending(folder) == ["six.chat.opened", "two.chat.opened"]


@pytest.mark.parametrize("value", ["https://host/x", "irc+https://host/x", "slack+ftp://host"])
def test_a_chat_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MBP_CHAT_SRE", value)
    with pytest.raises(MbpError, match="MBP_CHAT_SRE is no address of a chat"):
        endpoints()
