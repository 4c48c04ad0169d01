"""The lines themselves: fields in the forms of logs, requests, tables and programs, and what encodes them."""

from __future__ import annotations

import base64
import csv
import io
import json
import random
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode
from xml.sax.saxutils import escape

from lab.corpora.outside.clean import stamp
from lab.corpora.outside.writing import chance, digits, weighted

Fields = list[tuple[str, str]]

SERVICES = (
    "settlement-worker",
    "api-gateway",
    "kyc",
    "onboarding",
    "pix-gateway",
    "notifier",
    "cdc-sink",
)
PATHS = ("/api/v2/customers", "/v1/payments", "/cadastro", "/login", "/webhooks/bank", "/search")


def noise(rng: random.Random) -> tuple[str, str]:
    """A field that identifies no person and resembles nothing."""
    return rng.choice(
        (
            ("level", rng.choice(("info", "warn", "error"))),
            ("latency_ms", str(rng.randint(1, 950))),
            ("status", rng.choice(("200", "201", "400", "409", "500", "open", "paused"))),
            ("trace_id", digits(rng, 32, "0123456789abcdef")),
            ("market_id", f"mkt_{rng.randint(1, 99999):05}"),
            ("quoted_at", stamp(rng)),
            ("price", f"0.{digits(rng, 4)}"),
            ("order_id", digits(rng, rng.choice((6, 9, 11)))),
            ("region", rng.choice(("sa-east-1", "us-east-1"))),
            ("attempt", str(rng.randint(1, 5))),
            ("source", rng.choice(("app", "web", "batch"))),
        )
    )


def style(rng: random.Random, name: str) -> str:
    words = name.split("_")
    return weighted(
        rng,
        (12, name),
        (5, words[0] + "".join(word.capitalize() for word in words[1:])),
        (2, "".join(word.capitalize() for word in words)),
        (2, name.upper()),
        (2, "-".join(words)),
        (2, " ".join(words).capitalize()),
    )


def prefix(rng: random.Random) -> str:
    service, at = rng.choice(SERVICES), stamp(rng)
    return weighted(
        rng,
        (4, f"{at} INFO [{service}] "),
        (
            3,
            f"[{at[:10]} {at[11:19]},{at[20:23]}] WARN  c.m.b.{service.split('-')[0].capitalize()}Service - ",
        ),
        (
            2,
            f"Mar {rng.randint(10, 28)} {at[11:19]} ip-10-0-3-{rng.randint(2, 250)} "
            f"{service}[{rng.randint(200, 9000)}]: ",
        ),
        (2, f"ERROR:{service}:"),
        (3, ""),
    )


# --- fields in a form ----------------------------------------------------------------------------


def as_json(rng: random.Random, fields: Fields) -> str:
    content: dict[str, object] = dict(fields)
    if chance(rng, 0.3):
        content = {
            "event": rng.choice(("signup", "payment.created", "kyc_failed")),
            "data": content,
        }
    separators = rng.choice(((",", ":"), (", ", ": ")))
    text = json.dumps(content, ensure_ascii=chance(rng, 0.4), separators=separators)
    return json.dumps({"message": text}) if chance(rng, 0.1) else text


def quoted_if_spaced(text: str) -> str:
    return f'"{text}"' if " " in text or not text else text


def as_pairs(rng: random.Random, fields: Fields) -> str:
    joint, between = rng.choice(
        (("=", " "), ("=", " "), ("=", ", "), (": ", "; "), (": ", ", "), (":", " "))
    )
    return between.join(
        f"{name.replace(' ', '_')}{joint}{quoted_if_spaced(text)}" for name, text in fields
    )


def as_query(rng: random.Random, fields: Fields) -> str:
    how = rng.choice((quote, quote_plus))
    query = urlencode([(name.replace(" ", "_"), text) for name, text in fields], quote_via=how)
    path = rng.choice(PATHS)
    return weighted(
        rng,
        (3, f'"GET {path}?{query} HTTP/1.1" 200 {rng.randint(90, 9000)}'),
        (2, f"https://app.mbp.internal{path}?{query}"),
        (2, f"POST {path} body={query}"),
        (1, query),
    )


def as_csv(rng: random.Random, fields: Fields) -> str:
    buffer = io.StringIO()
    writer = csv.writer(
        buffer, delimiter=rng.choice((",", ",", ";", "\t", "|")), lineterminator="\n"
    )
    writer.writerow([name for name, _ in fields])
    writer.writerow([text for _, text in fields])
    return buffer.getvalue().rstrip("\n")


def as_sql(rng: random.Random, fields: Fields) -> str:
    names = [re.sub(r"\W", "_", name) for name, _ in fields]
    texts = ["'" + text.replace("'", "''") + "'" for _, text in fields]
    pairs = [f"{name} = {text}" for name, text in zip(names, texts, strict=True)]
    return rng.choice(
        (
            f"INSERT INTO customers ({', '.join(names)}) VALUES ({', '.join(texts)});",
            f"select * from raw.customers where {' and '.join(pairs)}",
            f"UPDATE accounts SET {', '.join(pairs)} WHERE id = {rng.randint(1, 9999)}",
            f"duration: 12.4 ms  statement: delete from leads where {' or '.join(pairs)}",
        )
    )


def as_object(rng: random.Random, fields: Fields) -> str:
    names = [re.sub(r"\W", "_", name) for name, _ in fields]
    texts = [text for _, text in fields]
    if chance(rng, 0.5):
        return repr(dict(zip(names, texts, strict=True)))
    return (
        f"Customer({', '.join(f'{name}={text}' for name, text in zip(names, texts, strict=True))})"
    )


def as_markup(rng: random.Random, fields: Fields) -> str:
    names = [re.sub(r"\W", "_", name) for name, _ in fields]
    pairs = [(name, escape(text)) for name, (_, text) in zip(names, fields, strict=True)]
    if chance(rng, 0.5):
        return "<row>" + "".join(f"<{name}>{text}</{name}>" for name, text in pairs) + "</row>"
    return "<row " + " ".join(f'{name}="{text}"' for name, text in pairs).replace("\n", " ") + "/>"


def as_trace(rng: random.Random, fields: Fields) -> str:
    shown = ", ".join(f"{name}={text!r}" for name, text in fields)
    return rng.choice(
        (
            "Traceback (most recent call last):\n"
            f'  File "/srv/app/handlers.py", line {rng.randint(10, 900)}, in handle\n    validate(payload)\n'
            f"ValueError: could not validate {shown}",
            f"java.lang.IllegalStateException: rejected {shown}\n"
            f"\tat com.mbp.kyc.Validator.check(Validator.java:{rng.randint(10, 400)})",
            f"sqlalchemy.exc.IntegrityError: (psycopg2.errors.UniqueViolation) DETAIL: {shown} already exists.",
        )
    )


def as_headers(rng: random.Random, fields: Fields) -> str:
    names = [
        "-".join(word.capitalize() for word in re.split(r"[\W_]+", name)) for name, _ in fields
    ]
    return rng.choice((" | ", "; ", "\n")).join(
        f"{name}: {text}" for name, (_, text) in zip(names, fields, strict=True)
    )


FORMS: tuple[tuple[int, Callable[[random.Random, Fields], str]], ...] = (
    *((6, as_json), (6, as_pairs), (4, as_query), (4, as_csv), (4, as_sql), (3, as_object)),
    *((2, as_markup), (3, as_trace), (1, as_headers)),
)


def in_a_form(rng: random.Random, fields: Fields) -> str:
    """The fields, with others around them, in one of the forms."""
    before = [noise(rng) for _ in range(rng.randint(0, 2))]
    after = [noise(rng) for _ in range(rng.randint(0, 2))]
    taken = {name for name, _ in fields}
    fields = [
        *((name, text) for name, text in before if name not in taken),
        *((style(rng, name), text) for name, text in fields),
        *((name, text) for name, text in after if name not in taken | {name for name, _ in before}),
    ]
    form = weighted(rng, *FORMS)
    text = form(rng, fields)
    return text if form in {as_csv, as_sql, as_trace} else prefix(rng) + text


# --- encodings -----------------------------------------------------------------------------------


def percent(rng: random.Random, text: str) -> str:
    if chance(rng, 0.2):
        return "".join(f"%{byte:02X}" for byte in text.encode())
    return quote(text, safe="")


def base_64(_: random.Random, text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def base_64_url(rng: random.Random, text: str) -> str:
    code = base64.urlsafe_b64encode(text.encode()).decode()
    return code.rstrip("=") if chance(rng, 0.7) else code


def hexa(rng: random.Random, text: str) -> str:
    code = text.encode().hex()
    return code.upper() if chance(rng, 0.3) else code


CODES = ((3, percent), (4, base_64), (3, base_64_url), (3, hexa))
CARRIERS = (
    'payload={}', '{{"data":"{}","v":2}}', '"GET /callback?state={} HTTP/1.1" 302 0', "body(b64): {}",
    "x-debug-context: {}", "offset=18231 value={}", "Set-Cookie: ctx={}; Path=/; Secure", "cursor={} page=2",
    "INSERT INTO outbox (payload) VALUES ('{}')", "raw message {}", "{}",
)  # fmt: skip


def encoded(rng: random.Random, fields: Fields, plain: bool) -> str:
    """The fields (or, when it is `plain`, perhaps the value alone) encoded once or twice."""
    if plain and chance(rng, 0.35):
        text = fields[0][1]
    else:
        text = weighted(rng, (4, as_json), (3, as_pairs), (2, as_query))(rng, fields)
    code = weighted(rng, *CODES)
    text = code(rng, text)
    if chance(rng, 0.35):
        code = weighted(rng, *CODES)
        text = code(rng, text)
    carrier = rng.choice(CARRIERS)
    if code is hexa and chance(rng, 0.3):
        carrier = rng.choice(("UPDATE outbox SET payload = '\\x{}'", "value=0x{}"))
    return prefix(rng) + carrier.format(text)
