"""Delivery: signed webhooks, Alertmanager and chats, from an outbox that loses nothing.

A message is a file before anything is sent. Without an endpoint the folder itself is the interface: an
operator's system reads it. With one, what was accepted moves to sent/; what was not stays and is tried again.
Sources of the chats: Slack, "Sending messages using incoming webhooks" (Block Kit); Microsoft, "Post a workflow when a
webhook request is received in Microsoft Teams" and the schema of Adaptive Cards 1.4.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.paths import StateFolder
from mbp.operate.hooks.hook_state import read_message

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


WEBHOOK, ALERTMANAGER, CHAT = "webhook", "alertmanager", "chat"
CHAT_VARIABLE = "MBP_CHAT_"
TIMEOUT_SECONDS = 5.0
ATTEMPTS = 3
BACKOFF_SECONDS = 0.2
RETRIED = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Endpoints:
    """Where messages go; None: they stay in the outbox.

    Attributes:
        webhook: takes the decisions; signed with `secret`.
        alertmanager: base address; alerts are posted to its API v2.
        chats: owner -> (`slack` or `teams`, address of an incoming webhook).
    """

    webhook: str | None
    secret: str | None
    alertmanager: str | None
    chats: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def chat_of(self, owners: str) -> tuple[str, str] | None:
        """The chat of the first of `owners`, who answers."""
        return self.chats.get(owners.split("/", maxsplit=1)[0])

    def takes(self, channel: str, owners: str) -> bool:
        """Whether a message of the channel can go anywhere; the outbox itself is the interface of the webhook."""
        if channel == CHAT:
            return self.chat_of(owners) is not None
        return channel == WEBHOOK or self.alertmanager is not None


def endpoints() -> Endpoints:
    """From MBP_HOOK_URL, MBP_HOOK_SECRET, MBP_ALERTMANAGER_URL, and MBP_CHAT_<owner> such as slack+https://host/path.

    Raises:
        MbpError: an endpoint that is no HTTP address, a chat of an unknown kind, or a webhook without a secret to
            sign with.
    """
    webhook = os.environ.get("MBP_HOOK_URL") or None
    secret = os.environ.get("MBP_HOOK_SECRET") or None
    alertmanager = os.environ.get("MBP_ALERTMANAGER_URL") or None
    for name, url in (("MBP_HOOK_URL", webhook), ("MBP_ALERTMANAGER_URL", alertmanager)):
        if url and not url.startswith(("http://", "https://")):
            raise MbpError(f"{name} is no HTTP address", fix="write it as https://host/path")
    if webhook and not secret:
        raise MbpError(
            "MBP_HOOK_URL is set without MBP_HOOK_SECRET: the receiver could not check who sent a decision",
            fix="set the secret that the receiver knows",
        )
    chats = {
        name.removeprefix(CHAT_VARIABLE): _chat(name, value)
        for name, value in sorted(os.environ.items())
        if name.startswith(CHAT_VARIABLE) and value
    }
    return Endpoints(webhook, secret, alertmanager, chats)


def _chat(name: str, value: str) -> tuple[str, str]:
    kind, _, url = value.partition("+")
    if kind not in KINDS or not url.startswith(("http://", "https://")):
        raise MbpError(
            f"{name} is no address of a chat",
            fix="write " + " or ".join(f"{kind}+https://host/path" for kind in KINDS),
        )
    return kind, url


def put(folder: StateFolder, channel: str, key: str, body: Any) -> Path:
    """Queues a message; the same key again changes nothing, also when it was sent already."""
    path = folder.outbox / f"{key}.json"
    if not path.exists() and not (folder.outbox / "sent" / path.name).exists():
        message = {"channel": channel, "key": key, "body": body}
        write_text(path, json.dumps(message, indent=2, sort_keys=True, default=str) + "\n")
    return path


def signature(secret: str, sent_at: int, key: str, payload: bytes) -> str:
    """'t=<Unix seconds>,v1=<hexadecimal>': HMAC with SHA-256 over time, idempotency key and body, a line each.

    The key is a header, so it has no line break, and no part can be moved into the next one.
    """
    signed = f"{sent_at}\n{key}\n".encode() + payload
    return f"t={sent_at},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def deliver(root: Path, folder: StateFolder, to: Endpoints) -> list[str]:
    """Sends what waits, oldest key first; a problem per message that stays.

    Raises:
        MbpError: a file of the outbox is not a message.
    """
    problems: list[str] = []
    waiting = [(path, read_message(path, root)) for path in sorted(folder.outbox.glob("*.json"))]
    with _session() as session:
        for path, message in waiting:
            url = _address(message, to)
            if url is None:
                continue
            problem = _send(session, url, message, to)
            if problem:
                problems.append(f"{message['key']} stays in the outbox: {problem}")
            else:
                sent = folder.outbox / "sent"
                sent.mkdir(parents=True, exist_ok=True)
                path.replace(sent / path.name)
    return problems


def pending(folder: StateFolder) -> Sequence[str]:
    """Keys of the messages that wait."""
    return [path.stem for path in sorted(folder.outbox.glob("*.json"))]


def _address(message: Mapping[str, Any], to: Endpoints) -> str | None:
    if message["channel"] == ALERTMANAGER:
        return f"{to.alertmanager.rstrip('/')}/api/v2/alerts" if to.alertmanager else None
    if message["channel"] == CHAT:
        chat = to.chat_of(message["body"]["owner"])
        return chat[1] if chat else None
    return to.webhook


def _session() -> requests.Session:
    # A receiver that got the message and failed to say so sees the same key again.
    retry = Retry(
        total=ATTEMPTS - 1,
        backoff_factor=BACKOFF_SECONDS,
        status_forcelist=RETRIED,
        allowed_methods=None,
        raise_on_status=False,
    )
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    return session


def _send(
    session: requests.Session, url: str, message: Mapping[str, Any], to: Endpoints
) -> str | None:
    body = message["body"]
    if message["channel"] == CHAT and (chat := to.chat_of(body["owner"])):
        body = KINDS[chat[0]](body)
    payload = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    key = str(message["key"])
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    if message["channel"] == WEBHOOK and to.secret:
        # Of this attempt: a message that waited for days is fresh when it is sent, and keeps its key.
        headers["X-MBP-Signature"] = signature(to.secret, int(time.time()), key, payload)
    try:
        answer = session.post(
            url, data=payload, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )
    except requests.RequestException as error:
        return f"{type(error).__name__}"
    if answer.status_code // 100 != 2:  # noqa: PLR2004 (the class of success)
        return f"answered {answer.status_code}"
    return None
