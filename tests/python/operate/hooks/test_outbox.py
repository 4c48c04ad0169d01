"""Delivery to a real endpoint: signed, retried, never lost, never told twice."""

from __future__ import annotations

import hashlib
import hmac
import re
import runpy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mbp.core.errors import MbpError
from mbp.core.paths import StateFolder
from mbp.operate.hooks import outbox
from mbp.operate.hooks.outbox import (
    ALERTMANAGER,
    WEBHOOK,
    Endpoints,
    deliver,
    endpoints,
    pending,
    put,
)
from tests.python.operate.hooks.receiver import receiver

SECRET = "a secret of the test"


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "BACKOFF_SECONDS", 0.01)


def to(url: str | None) -> Endpoints:
    return Endpoints(url, SECRET, None)


def test_without_an_endpoint_the_folder_is_the_interface(folder: StateFolder) -> None:
    put(folder, WEBHOOK, "one", {"action": "freeze"})
    assert deliver(folder.path, folder, to(None)) == []
    assert pending(folder) == ["one"]


def test_a_message_is_signed_and_carries_its_key(folder: StateFolder) -> None:
    put(folder, WEBHOOK, "one.freeze.opened", {"action": "freeze"})
    with receiver() as seen:
        assert deliver(folder.path, folder, to(seen.url)) == []
    ((_, headers, body),) = seen.requests
    assert headers["Idempotency-Key"] == "one.freeze.opened"
    sent_at = re.fullmatch("t=([0-9]+),v1=[0-9a-f]{64}", headers["X-MBP-Signature"])
    assert sent_at is not None
    assert abs(time.time() - int(sent_at[1])) < 60
    signed = b"\n".join([sent_at[1].encode(), b"one.freeze.opened", body])
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-MBP-Signature"].endswith(f",v1={expected}")
    assert pending(folder) == []
    assert (folder.outbox / "sent" / "one.freeze.opened.json").is_file()


@pytest.fixture(scope="module")
def documented(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The receiver's code as the documentation shows it."""
    page = (project_root / "docs/hooks.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    file = tmp_path_factory.mktemp("receiver") / "receiver.py"
    file.write_text(example, encoding="utf-8")
    return runpy.run_path(str(file))


Request = tuple[dict[str, str], bytes]


def changed(name: str, find: str, new: str) -> Callable[[Request], Request]:
    def change(request: Request) -> Request:
        headers, body = request
        assert re.search(find, headers[name])
        return {**headers, name: re.sub(find, new, headers[name], count=1)}, body

    return change


def moved_into_the_body(request: Request) -> Request:
    """The same bytes in another division, as a signature without separators would allow."""
    headers, body = request
    return {**headers, "Idempotency-Key": "one"}, b".freeze.opened\n" + body


SIGNATURE = "X-MBP-Signature"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda request: request, None),
        (lambda request: (request[0], request[1] + b" "), "wrong signature"),
        (lambda request: (request[0], request[1].replace(b"freeze", b"thaw")), "wrong signature"),
        (changed("Idempotency-Key", "opened", "closed"), "wrong signature"),
        (changed("Idempotency-Key", ".*", ""), "wrong signature"),
        (moved_into_the_body, "wrong signature"),
        (changed(SIGNATURE, "t=[0-9]+", "t=1"), "wrong signature"),
        (changed(SIGNATURE, "t=([0-9])", r"t=9\1"), "wrong signature"),
        (changed(SIGNATURE, "v1=.", "v1=x"), "no signature"),
        (changed(SIGNATURE, "t=[0-9]+,v1", "sha256"), "no signature"),
        (lambda request: ({"Idempotency-Key": "one"}, request[1]), "no signature"),
    ],
)
def test_the_documented_receiver_takes_what_was_sent_and_nothing_else(
    folder: StateFolder,
    documented: dict[str, Any],
    change: Callable[[Request], Request],
    told: str | None,
) -> None:
    put(folder, WEBHOOK, "one.freeze.opened", {"action": "freeze"})
    with receiver() as seen:
        deliver(folder.path, folder, to(seen.url))
    ((_, headers, body),) = seen.requests
    headers, body = change((headers, body))
    assert documented["refusal"](SECRET, headers, body, set()) == told
    assert documented["refusal"]("another secret", headers, body, set()) is not None


def test_a_replay_is_recognised_and_a_late_delivery_is_not_taken_for_one(
    folder: StateFolder, documented: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, WEBHOOK, "one", {"action": "freeze"})
    with receiver(400) as seen:
        deliver(folder.path, folder, to(seen.url))
        now = time.time()
        day_after = now + 86_400
        monkeypatch.setattr(time, "time", lambda: day_after)
        deliver(folder.path, folder, to(seen.url))
    first, late = [(headers, body) for _, headers, body in seen.requests]
    acted_on: set[str] = set()
    refusal = documented["refusal"]
    assert refusal(SECRET, *first, acted_on) == "too old, or from the future"
    assert refusal(SECRET, *late, acted_on) is None
    assert refusal(SECRET, *late, acted_on).startswith("acted on already")
    monkeypatch.setattr(time, "time", lambda: now)
    # Under its own time the first one is the same message: acted on once is enough.
    assert refusal(SECRET, *first, acted_on).startswith("acted on already")
    assert refusal(SECRET, *late, set()) == "too old, or from the future"


def test_a_busy_endpoint_is_tried_again_with_the_same_key(folder: StateFolder) -> None:
    put(folder, WEBHOOK, "one", {})
    with receiver(503, 503) as seen:
        assert deliver(folder.path, folder, to(seen.url)) == []
    assert [headers["Idempotency-Key"] for _, headers, _ in seen.requests] == ["one"] * 3


@pytest.mark.parametrize("statuses", [(503, 503, 503), (400,), (302,)])
def test_what_is_not_accepted_stays_and_is_told(
    folder: StateFolder, statuses: tuple[int, ...]
) -> None:
    put(folder, WEBHOOK, "one", {})
    with receiver(*statuses) as seen:
        (problem,) = deliver(folder.path, folder, to(seen.url))
        assert problem.startswith("one stays in the outbox")
        assert pending(folder) == ["one"]
        # The endpoint is back: the next evaluation delivers it.
        assert deliver(folder.path, folder, to(seen.url)) == []
    assert pending(folder) == []


def test_an_endpoint_that_is_down_loses_nothing(folder: StateFolder) -> None:
    put(folder, WEBHOOK, "one", {})
    with receiver() as seen:
        gone = seen.url
    (problem,) = deliver(folder.path, folder, to(gone))
    assert "ConnectionError" in problem
    assert pending(folder) == ["one"]


def test_the_same_message_is_not_sent_twice(folder: StateFolder) -> None:
    with receiver() as seen:
        for _ in range(3):
            put(folder, WEBHOOK, "one", {})
            deliver(folder.path, folder, to(seen.url))
    assert len(seen.requests) == 1


def test_one_that_fails_does_not_hold_up_the_others(folder: StateFolder) -> None:
    put(folder, WEBHOOK, "one", {})
    put(folder, WEBHOOK, "two", {})
    with receiver(400) as seen:
        problems = deliver(folder.path, folder, to(seen.url))
    assert len(problems) == 1
    assert pending(folder) == ["one"]
    assert len(seen.requests) == 2


def test_alerts_go_to_the_api_of_alertmanager(folder: StateFolder) -> None:
    put(folder, ALERTMANAGER, "one", [{"labels": {"alertname": "x"}}])
    with receiver() as seen:
        assert deliver(folder.path, folder, Endpoints(None, None, seen.url + "/")) == []
    ((path, headers, _),) = seen.requests
    assert path == "/api/v2/alerts"
    assert "X-MBP-Signature" not in headers


def test_a_broken_file_in_the_outbox_is_named(folder: StateFolder) -> None:
    folder.outbox.mkdir(parents=True)
    for text in ("{", "[]", "{}"):
        (folder.outbox / "bad.json").write_text(text)
        with pytest.raises(MbpError, match=r"outbox/bad.json: is no message"):
            deliver(folder.path, folder, to(None))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"MBP_HOOK_URL": "ftp://x", "MBP_HOOK_SECRET": "s"}, "MBP_HOOK_URL is no HTTP address"),
        ({"MBP_HOOK_URL": "https://x", "MBP_HOOK_SECRET": ""}, "without MBP_HOOK_SECRET"),
        ({"MBP_ALERTMANAGER_URL": "localhost:9093"}, "MBP_ALERTMANAGER_URL is no HTTP address"),
    ],
)
def test_a_wrong_endpoint_is_refused(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], told: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MbpError, match=told):
        endpoints()
