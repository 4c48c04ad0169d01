"""Access tokens, keys, passwords, and PIX keys."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import log2

from mbp.privacy.page import Hit, Page

# What providers issue has a form that nothing else has: (what, texts of which one is in it, form).
ISSUED = tuple(
    (what, hints, re.compile(form))
    for what, hints, form in (
        (
            "AWS access key",
            ("AKIA", "ASIA", "ABIA", "ACCA"),
            r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])",
        ),
        (
            "GitHub token",
            ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
            r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{40,255})",
        ),
        ("GitLab token", ("glpat-",), r"(?<![A-Za-z0-9])glpat-[\w-]{20,}"),
        ("Slack token", ("xox",), r"(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{20,}"),
        (
            "Slack webhook",
            ("hooks.slack.com",),
            r"hooks\.slack\.com/(?:services|workflows)/[\w/]{20,}",
        ),
        ("Google key", ("AIza",), r"(?<![A-Za-z0-9])AIza[\w-]{35}(?![\w-])"),
        ("Stripe key", ("k_live_",), r"(?<![A-Za-z0-9])[sr]k_live_[A-Za-z0-9]{16,}"),
        ("PyPI token", ("pypi-AgE",), r"pypi-AgE[\w-]{50,}"),
        (
            "JSON web token",
            ("eyJ",),
            r"(?<![A-Za-z0-9_-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}",
        ),
        (
            "private key",
            ("PRIVATE KEY",),
            r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----",
        ),
        ("private key", ("PuTTY-User-Key-File-",), r"PuTTY-User-Key-File-\d: "),
    )
)
BEARER = re.compile(
    r"\b(?:[Bb]earer|BEARER|[Tt]oken|[Bb]asic) +(?P<value>[A-Za-z0-9+/_.~-]{16,}={0,2})"
)
IN_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://(?P<user>[^\s:/@'\"<>{}$]{1,64}):(?P<value>[^\s/@'\"<>{}$]{3,128})@[\w.\[-]"
)
ASSIGNED = re.compile(
    r"(?P<key>[A-Za-z][\w-]{0,40})\\?[\"']?\s{0,2}(?:=>|:=|[:=])\s{0,2}(?P<quote>\\?[\"'`]?)"
    r"(?P<value>[A-Za-z0-9+/_.~!@#%^&*-]{8,512}={0,2})(?P<after>.?)"
)
REQUESTS = ("bearer ", "token ", "basic ")
# Whatever else is in the name of a field, it ends in one of these; joined by `_`, `-` or nothing.
SECRET_WORDS = (
    *(
        "password",
        "passwd",
        "pwd",
        "senha",
        "passphrase",
        "secret",
        "segredo",
        "token",
        "credential",
        "credencial",
    ),
    *(
        "apikey",
        "api_key",
        "api-key",
        "accesskey",
        "access_key",
        "access-key",
        "secretkey",
        "secret_key",
        "secret-key",
    ),
    *(
        "privatekey",
        "private_key",
        "private-key",
        "auth_key",
        "auth-key",
        "authkey",
        "chave_api",
        "chave_secreta",
    ),
    *("chave_de_acesso", "clientsecret", "encryption_key", "signing_key"),
)
# A digest of a secret is not the secret.
NOT_SECRET = re.compile(r"hash|sha\d|digest|checksum|fingerprint|trace|commit|etag", re.IGNORECASE)
UUID = r"[0-9a-fA-F](?<![\w-].)[0-9a-fA-F]{7}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
RANDOM_KEY = re.compile(rf"{UUID}(?![\w-])")
# The key inside of a payment code ("copia e cola"): EMV tag 01 with its length, after the arrangement's name.
PAYMENT_CODE = re.compile(r"br\.gov\.bcb\.pix01(\d\d)", re.IGNORECASE)
CLASSES = (str.isdigit, str.islower, str.isupper)


def access_token(page: Page) -> Iterator[Hit]:
    """Tokens of known form, and values with high entropy where a name says that they are secret."""
    text = page.text
    for what, hints, form in ISSUED:
        if any(hint in text for hint in hints):
            for found in form.finditer(text):
                yield Hit(found.start(), found.end(), "access_token", what, found[0])
    for found in in_lines(BEARER, text, REQUESTS):
        if mixed(found["value"], page) and not placeholder(found["value"]):
            yield Hit(*found.span("value"), "access_token", "token of a request", found["value"])
    for found in in_lines(IN_ADDRESS, text, ("://",)):
        if not placeholder(found["value"]):
            what = "password in an address"
            yield Hit(*found.span("value"), "access_token", what, found["value"])
    for found in in_lines(ASSIGNED, text, SECRET_WORDS):
        key, value = found["key"], found["value"]
        if (
            not key.lower().endswith(SECRET_WORDS)
            or NOT_SECRET.search(key)
            or found["after"] in ("(", "[")
        ):
            continue
        if len(value) >= page.policy.secret_length and mixed(value, page):
            yield Hit(*found.span("value"), "access_token", "secret by its name", value)


def in_lines(form: re.Pattern[str], text: str, hints: tuple[str, ...]) -> Iterator[re.Match[str]]:
    """Matches in the lines that hold one of the `hints`, in lower case: most lines are never looked at."""
    lower = text.lower()
    if len(lower) != len(text):  # a few capitals have longer small letters
        yield from form.finditer(text)
        return
    lines: set[tuple[int, int]] = set()
    for hint in hints:
        position = lower.find(hint)
        while position >= 0:
            end = lower.find("\n", position)
            end = len(text) if end < 0 else end
            lines.add((lower.rfind("\n", 0, position) + 1, end))
            position = lower.find(hint, end)
    for start, end in sorted(lines):
        yield from form.finditer(text, start, end)


def mixed(value: str, page: Page) -> bool:
    """Whether it looks drawn at random: high entropy, of letters and digits."""
    kinds = sum(any(of_class(one) for one in value) for of_class in CLASSES)
    words = re.fullmatch(r"[A-Za-z]+\d?(?:[._-][A-Za-z]+\d?)*", value)
    return kinds >= 2 and not words and entropy_bits(value) >= page.policy.secret_entropy_bits  # noqa: PLR2004


def entropy_bits(value: str) -> float:
    """Shannon's entropy of its characters, in bits per character."""
    return -sum(count / len(value) * log2(count / len(value)) for count in Counter(value).values())


def placeholder(value: str) -> bool:
    """Words that documentation writes where a secret would stand."""
    return value.lower().strip("*.x") in ("", "password", "pass", "secret", "token", "senha")


def pix_key(page: Page) -> Iterator[Hit]:
    """Random PIX keys where a word says so, and the key inside of a payment code.

    CPF, CNPJ, telephone and e-mail as a key are found as what they are.
    """
    for found in RANDOM_KEY.finditer(page.text):
        if page.says("pix_key", *found.span()) > 0:
            yield Hit(found.start(), found.end(), "pix_key", "random PIX key", found[0].lower())
    for found in PAYMENT_CODE.finditer(page.text):
        end = found.end() + int(found[1])
        value = page.text[found.end() : end]
        if value and "\n" not in value:
            yield Hit(found.end(), end, "pix_key", "PIX payment code", value)
