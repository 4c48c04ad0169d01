"""Access tokens, keys, passwords, and PIX keys: by their form, by the name of their field, and in addresses."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import resources
from math import log2
from typing import Any

import yaml
from detect_secrets.filters import heuristic

from mbp.quality.privacy.text_around import Hit, Page

BEARER = re.compile(
    r"\b(?:[Bb]earer|BEARER|[Tt]oken|[Bb]ot) +(?P<value>[A-Za-z0-9+/_.~-]{16,}={0,2})"
)
BASIC = re.compile(r"\b(?:[Bb]asic|BASIC) +(?P<value>[A-Za-z0-9+/_-]{6,}={0,2})")
IN_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://(?P<user>[^\s:/@'\"<>{}$]{0,64}):(?P<value>[^\s/'\"<>{}$][^\s/'\"<>{}]{2,127})@[\w.\[-]"
)
ASSIGNED = re.compile(
    r"(?P<key>[A-Za-z][\w.-]{0,60}?)\\?[\"']?\]?\s{0,2}(?:=>|:=|={1,3}|:)\s{0,2}"
    r"(?:\\?(?P<quote>[\"'`])(?P<quoted>[^\"'`\s\\]{6,512})\\?(?P=quote)|(?P<bare>[^\s\"'`,;<>(){}\[\]\\&|]{6,512}))(?P<after>.?)"
)
# `<password>...</password>`, and `name="password" value="..."`.
ELEMENT = re.compile(
    r"<(?P<key>[\w.-]{2,60})>\s{0,4}(?P<bare>[^\s<>]{6,512})\s{0,4}</"
    r"|(?:name|key|id)=[\"'](?P<other>[\w.-]{2,60})[\"'] +value=[\"'](?P<quoted>[^\"'\s]{6,512})[\"']"
)
# `--password value`, `login name password value` of a .netrc, and `senha: value` without its colon.
SPACED = re.compile(
    r"(?:--?(?P<option>[A-Za-z][\w-]{1,40})|\blogin +\S+\s+(?P<netrc>password)"
    r"|\b(?P<word>[Pp]assword|[Ss]enha|pwd|passwd)(?: is| é)?)"
    r" +(?P<quote>[\"']?)(?P<value>[^\s\"'`,;<>(){}\[\]|]{6,200})(?P=quote)(?!\w)"
)
REQUESTS = ("bearer ", "token ", "bot ")
# The words, and the forms beside those of the plug-ins of detect-secrets.
CATALOGUE: Mapping[str, Any] = yaml.safe_load(
    (resources.files("mbp.quality.privacy") / "credential_forms.yaml").read_text(encoding="utf-8")
)
PASSWORD_WORDS = tuple(CATALOGUE["password_words"])
# Whatever else is in the name of a field, it ends in one of these; joined by `_`, `-` or nothing.
SECRET_WORDS = (*PASSWORD_WORDS, *CATALOGUE["secret_words"])
PLACEHOLDERS = frozenset({"", *CATALOGUE["placeholders"]})
# What may follow such a word in the name of a field: where it is used, or which of several it is.
SUFFIX = re.compile(
    r"[_.-]?(?:base|prod|production|dev|staging|test|live|main|primary|secondary|backup|value|default|old|new|v?\d{1,2})$"
)
# A digest of a secret is not the secret; nor is a bypass a password.
NOT_SECRET = re.compile(
    r"bypass|hash|sha\d|digest|checksum|fingerprint|trace|commit|etag", re.IGNORECASE
)
UUID = r"[0-9a-fA-F](?<![\w-].)[0-9a-fA-F]{7}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
# As it is written, and without its dashes.
BARE_UUID = r"(?<![\w-])[0-9a-fA-F]{12}[1-5][0-9a-fA-F]{3}[89abAB][0-9a-fA-F]{15}"
RANDOM_KEY = re.compile(rf"(?:{UUID}|{BARE_UUID})(?![\w-])")
# The key inside of a payment code ("copia e cola"): EMV tag 01 with its length, after the arrangement's name.
PAYMENT_CODE = re.compile(r"br\.gov\.bcb\.pix01(\d\d)", re.IGNORECASE)
# A name of something in a program, an address or a path: `settings.password`, `env:NAME`, `/run/secrets/x`.
CODE = re.compile(
    r"[A-Za-z_]+(?:[.:_-][A-Za-z_]+)*|(?:env|file|vault|secret|arn|op|ref)[:/].*|\.{0,2}/.*|https?://.*|\$.*|%\w+%|.*[({].*",
    re.DOTALL,
)
# `admin1`, `v2`, `step-3`, `table_12`: a word and its number.
WORD_AND_NUMBER = re.compile(r"[a-z]+(?:[_.-][a-z]+)*[_.-]?\d{0,2}|\d+|[\d.:-]+")
SHORTEST, FEW = 8, 5
CLASSES = (str.isdigit, str.islower, str.isupper)
PLACES = {"<edge>": r"(?<![A-Za-z0-9])", "<end>": r"(?![A-Za-z0-9])"}


def access_token(page: Page) -> Iterator[Hit]:
    """Tokens of known form, and values that seem random where a name says that they are secret."""
    for shape in shapes():
        matches = (
            page.in_lines(shape.form, shape.hints)
            if shape.hints
            else shape.form.finditer(page.text)
        )
        for matched in matches:
            hit = _of_shape(matched, shape.what, page)
            if hit and (shape.valid is None or shape.valid(matched[0])):
                yield hit
    for line in page.in_lines(BEARER, REQUESTS):
        if mixed(line["value"], page) and not placeholder(line["value"]):
            yield Hit(*line.span("value"), "access_token", "token of a request", line["value"])
    for line in page.in_lines(BASIC, ("basic ",)):
        if credentials(line["value"]):
            what = "name and password of a request"
            yield Hit(*line.span("value"), "access_token", what, line["value"])
    for line in page.in_lines(IN_ADDRESS, ("://",)):
        if not placeholder(line["value"]):
            what = "password in an address"
            yield Hit(*line.span("value"), "access_token", what, line["value"])
    for form in (ASSIGNED, ELEMENT):
        for line in page.in_lines(form, SECRET_WORDS):
            groups = line.groupdict()
            group = "quoted" if groups["quoted"] else "bare"
            key = groups["key"] or groups["other"]
            if groups.get("after") in ("(", "[") and group == "bare":
                continue
            if secret(key, line[group], page):
                yield Hit(*line.span(group), "access_token", "secret by its name", line[group])
    for line in page.in_lines(SPACED, PASSWORD_WORDS + SECRET_WORDS):
        key, value = line["option"] or line["netrc"] or line["word"], line["value"]
        if (line["netrc"] and not placeholder(value)) or secret(key, value, page):
            yield Hit(*line.span("value"), "access_token", "secret by its name", value)


def _of_shape(matched: re.Match[str], what: str, page: Page) -> Hit | None:
    group: int | str = 0
    if "value" in matched.re.groupindex:
        group = "value"
    elif matched.re.groups == 1 and matched[1] and len(matched[1]) > 8:  # noqa: PLR2004 (shorter ones are a prefix)
        group = 1
    start, end = matched.span(group)
    before, after = page.around(start, end)
    value = matched[group]
    inside = (before.isalnum() and value[0].isalnum()) or (after.isalnum() and value[-1].isalnum())
    if inside or len(set(value[-16:])) < FEW:
        return None  # a piece of something longer, or a row of x
    return Hit(start, end, "access_token", what, value)


def secret(key: str, value: str, page: Page) -> bool:
    """Whether a value in a field of this name is a secret, and not a reference to one or an example."""
    name = SUFFIX.sub("", key.lower())
    if not name.endswith(SECRET_WORDS) or NOT_SECRET.search(key) or placeholder(value):
        return False
    if CODE.fullmatch(value) or heuristic.is_templated_secret(value):
        return False
    if name.endswith(PASSWORD_WORDS):
        return chosen(value)
    return len(value) >= page.policy.secrets.minimum_length and mixed(value, page)


def chosen(value: str) -> bool:
    """Whether it resembles a password chosen by a person: letters, and digits or signs among them."""
    classes = [any(of_class(character) for character in value) for of_class in CLASSES]
    signs = any(character in "!@#$%^&*+?=" for character in value.rstrip("=?!"))
    if len(value) < SHORTEST or len(set(value)) < FEW or not (classes[1] or classes[2]):
        return False
    return (
        (classes[0] and not WORD_AND_NUMBER.fullmatch(value))
        or (signs and classes[0])
        or (signs and all(classes[1:]))
    )


def credentials(token: str) -> bool:
    """Whether base64 hides `name:password`."""
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4)).decode("utf-8")
    except (binascii.Error, ValueError):
        return False
    name, colon, password = text.partition(":")
    return bool(colon and name and password.isprintable() and not placeholder(password))


def mixed(value: str, page: Page) -> bool:
    """Whether it seems random: high entropy, of letters and digits."""
    kinds = sum(any(of_class(character) for character in value) for of_class in CLASSES)
    words = re.fullmatch(r"[A-Za-z]+\d?(?:[._-][A-Za-z]+\d?)*", value)
    least = page.policy.secrets.minimum_entropy_bits
    return kinds >= 2 and not words and entropy_bits(value) >= least  # noqa: PLR2004


def entropy_bits(value: str) -> float:
    """Shannon's entropy of its characters, in bits per character."""
    return -sum(count / len(value) * log2(count / len(value)) for count in Counter(value).values())


def placeholder(value: str) -> bool:
    """What documentation writes in place of a secret, as detect-secrets and we know it."""
    plain = value.lower().strip("*.x<>[]")
    return (
        plain in PLACEHOLDERS
        or "your" in plain
        or "xxxx" in value.lower()
        or heuristic.is_sequential_string(value)
        or heuristic.is_prefixed_with_dollar_sign(value)
        or (heuristic.is_not_alphanumeric_string(value) and not any(map(str.isdigit, value)))
    )


def pix_key(page: Page) -> Iterator[Hit]:
    """Random PIX keys where a word says so, and the key inside of a payment code.

    CPF, CNPJ, telephone and e-mail as a key are found as what they are.
    """
    for matched in RANDOM_KEY.finditer(page.text):
        if page.says("pix_key", *matched.span()) > 0:
            yield Hit(
                matched.start(), matched.end(), "pix_key", "random PIX key", matched[0].lower()
            )
    for matched in PAYMENT_CODE.finditer(page.text):
        end = matched.end() + int(matched[1])
        value = page.text[matched.end() : end]
        if value and "\n" not in value:
            yield Hit(matched.end(), end, "pix_key", "PIX payment code", value)


@dataclass(frozen=True)
class Shape:
    """The form of a credential.

    Attributes:
        hints: texts of which one is on the line, in small letters; empty for every line.
        valid: what else must be true of the value.
    """

    what: str
    hints: Sequence[str]
    form: re.Pattern[str]
    valid: Callable[[str], bool] | None = None


@lru_cache(maxsize=1)
def shapes() -> tuple[Shape, ...]:
    """All forms: ours first, then each plug-in's that is installed."""
    own = [
        Shape(entry["what"], entry["hints"], _form(entry["form"])) for entry in CATALOGUE["forms"]
    ]
    return (*own, *_plugins())


def _form(text: str) -> re.Pattern[str]:
    for name, place in PLACES.items():
        text = text.replace(name, place)
    return re.compile(text)


def _plugins() -> Iterator[Shape]:
    # Imported here: it takes a quarter of a second, and half of the commands need no detector.
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    plugins: dict[str, Any] = get_mapping_from_secret_type_to_class()
    for what, plugin in sorted(plugins.items()):
        if what in CATALOGUE["not_used"]:
            continue
        made = plugin()
        valid = getattr(made, "is_formally_valid", None)
        if what in CATALOGUE["shortest"]:
            valid = partial(_long_enough, CATALOGUE["shortest"][what])
        for form in made.denylist:
            yield Shape(what, CATALOGUE["hints"].get(what, ()), form, valid)


def _long_enough(length: int, value: str) -> bool:
    return len(value) >= length
