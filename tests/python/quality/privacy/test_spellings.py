"""Each kind in the spellings of the world and in encodings, and what only looks like it. Values are drawn."""

from __future__ import annotations

import base64
import html
import json
import re
import string
import time
from collections.abc import Callable
from random import Random
from urllib.parse import quote

import pytest

from lab.corpora import random_values as draw
from mbp.quality.privacy.privacy_policy import PrivacyPolicy
from mbp.quality.privacy.scan import scan_text

Spell = Callable[[str], str]


def kinds(text: str, policy: PrivacyPolicy) -> set[str]:
    return {one.kind for one in scan_text(text, "x.csv" if "\n" in text else "x", policy)}


def grouped(*sizes: int, by: str) -> Spell:
    def spell(digits: str) -> str:
        groups, at = [], 0
        for size in sizes:
            groups.append(digits[at : at + size])
            at += size
        return by.join(groups)

    return spell


def moved(start: int) -> Spell:
    return lambda text: "".join(chr(start + int(one)) if one.isdigit() else one for one in text)


APART = {
    f"apart by {by!r}": by.join for by in (" ", ".", "-", ",", "/", "_", ", ", "\xa0", "\u2009")
}
SCRIPTS: dict[str, Spell] = {
    "full-width": moved(0xFF10),
    "Arabic": moved(0x0660),
    "Devanagari": moved(0x0966),
    "mathematical": moved(0x1D7CE),
    "boxes of emoji": lambda text: "".join(f"{one}\ufe0f\u20e3" for one in text),
    "zero width inside": "\u200b".join,
    "soft hyphens inside": "\u00ad".join,
}
SPELLINGS: dict[str, dict[str, Spell]] = {
    "cpf": {
        **APART,
        **SCRIPTS,
        **{f"groups by {by!r}": grouped(3, 3, 3, 2, by=by) for by in ",;:|_/-. \u00b7\u2044\u2013"},
        "spaces around dashes": grouped(3, 3, 3, 2, by=" - "),
        "nine and two": lambda text: f"{text[:9]}/{text[9:]}",
        "other groups": lambda text: f"cpf: {text[:2]} {text[2:6]} {text[6:]}",
        "plus signs of a form": lambda text: "cpf=" + "+".join((text[:3], text[3:6], text[6:])),
    },
    "cnpj": {
        **APART,
        **SCRIPTS,
        **{f"groups by {by!r}": grouped(2, 3, 3, 4, 2, by=by) for by in ",_/-. \u00b7"},
        "other groups": lambda text: f"cnpj: {text[:4]} {text[4:8]} {text[8:]}",
    },
    "card": {
        **APART,
        **SCRIPTS,
        **{f"groups by {by!r}": grouped(4, 4, 4, 4, by=by) for by in ",_/-. "},
        "spaces around dashes": grouped(4, 4, 4, 4, by=" - "),
        "other groups": lambda text: f"cartao {text[:6]} {text[6:]}",
    },
}  # fmt: skip


def number(kind: str, random: Random) -> str:
    """Unlike digits, so that nothing of it reads as a row of one digit."""
    while True:
        value = {
            "cpf": lambda: draw.cpf(random),
            "cnpj": lambda: draw.cnpj(random, lettered=False),
            "card": lambda: draw.with_luhn("4" + draw.digits(random, 14)),
        }[kind]()
        if len(set(value)) > 5 and value[0] != "0":
            return value


@pytest.mark.parametrize(
    ("kind", "spelling"),
    [(kind, one) for kind, spellings in SPELLINGS.items() for one in spellings],
)
def test_numbers_in_any_spelling(
    kind: str, spelling: str, policy: PrivacyPolicy, random: Random
) -> None:
    for _ in range(5):
        text = SPELLINGS[kind][spelling](number(kind, random))
        assert kinds(f"INFO seen {text} here", policy) == {kind}, spelling


def test_a_cnpj_with_letters_in_any_spelling(policy: PrivacyPolicy, random: Random) -> None:
    for by in ("", ".", " ", "-", "_"):
        value = grouped(2, 3, 3, 4, 2, by=by)(draw.cnpj(random, lettered=True))
        assert kinds(f"cnpj {value}", policy) == {"cnpj"}, by


PHONES = (
    "0xx{a} {h}-{t}", "0XX{a} {h}-{t}", "(0xx{a}) {h}-{t}", "0xx{a}{h}{t}", "0xx {a} {h} {t}", "0-xx-{a}-{h}-{t}",
    "(0{a}) {h}-{t}", "(0 {a}) {h} {t}", "[{a}] {h}-{t}", "+55 (0xx{a}) {h}-{t}", "+55 (0{a}) {h}-{t}",
    "+55({a}){h}{t}", "(+55) {a} {h}-{t}", "+55-{a}-{h}-{t}", "+55.{a}.{h}.{t}", "({a}) {h}.{t}", "({a}) {h} {t}",
    "{a} {h} {t}", "{a}-{h}-{t}", "tel 0{a} {h}{t}", "fone 0 15 {a} {h}-{t}", "telefone: {a}/{h}-{t}",
    "cel: {a}.{h}.{t}", "whatsapp 55{a}{h}{t}", "tel. 0055 {a} {h} {t}", "ligue {h}-{t}",
    "contato={a}{h}{t}", "fone {h} {t}", "{a}{h}{t}",
    "celular: {spaced}", "telefone {commas}", "<telefone>{a}{h}{t}</telefone>", "tel:+55{a}{h}{t}",
)  # fmt: skip


@pytest.mark.parametrize("form", PHONES)
def test_telephones(form: str, policy: PrivacyPolicy, random: Random) -> None:
    for _ in range(5):
        area, mobile = draw.mobile(random)
        values = {"a": area, "h": mobile[:-4], "t": mobile[-4:]}
        values |= {"spaced": " ".join(area + mobile), "commas": ",".join(area + mobile)}
        assert kinds(form.format(**values), policy) == {"phone"}


@pytest.mark.parametrize(
    "line",
    [
        "{ip}:8080", "[{ip}]", "{ip}/32", "from {ip}, port 22", "{ip}-{other}", "({ip})", "::ffff:{ip}", "http://{ip}/x",
        "ip={padded}", "login {ip}.",
    ],
)  # fmt: skip
def test_addresses_of_hosts(line: str, policy: PrivacyPolicy) -> None:
    octets = [189, 40, 77, 9]
    values = {
        "ip": ".".join(map(str, octets)),
        "other": ".".join(map(str, (189, 40, 77, 250))),
        "padded": ".".join(f"{one:03}" for one in octets),
    }
    assert kinds(line.format(**values), policy) == {"ip"}


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ENCODINGS: dict[str, Spell] = {
    "base64": base64_of,
    "base64, unpadded": lambda text: base64_of(text).rstrip("="),
    "base64, URL-safe": lambda text: base64.urlsafe_b64encode(f"~~?>{text}".encode()).decode(),
    "base64, wrapped": lambda text: base64.encodebytes(f"{'x ' * 40}{text}".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "HEXADECIMAL": lambda text: text.encode().hex().upper(),
    "0x": lambda text: "0x" + text.encode().hex(),
    "hexadecimal, apart": lambda text: text.encode().hex(" "),
    "percent": lambda text: "".join(f"%{ord(one):02X}" for one in text),
    "JSON": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    "Python": lambda text: "".join(f"\\x{ord(one):02x}" for one in text),
    "HTML": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(one):x};" for one in text),
    "JavaScript": lambda text: "".join(f"\\u{{{ord(one):x}}}" for one in text),
}  # fmt: skip
TWICE = [
    (outer, inner)
    for outer in (
        "base64",
        "base64, unpadded",
        "hexadecimal",
        "percent",
        "JSON",
        "HTML",
    )
    for inner in (
        "base64",
        "base64, URL-safe",
        "hexadecimal",
        "percent",
        "JSON",
        "HTML",
    )
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", ["cpf", "cnpj", "card", "email", "access_token"])
def test_encodings(kind: str, encoding: str, policy: PrivacyPolicy, random: Random) -> None:
    value = {
        "email": lambda: draw.email(random).encode("ascii", "ignore").decode(),
        "access_token": lambda: "ghp" + "_" + draw.letters(random, 36),
    }.get(kind, lambda: number(kind, random))()
    assert kinds(f"payload {ENCODINGS[encoding](value)} end", policy) == {kind}


@pytest.mark.parametrize(("outer", "inner"), TWICE)
def test_encodings_of_encodings(
    outer: str, inner: str, policy: PrivacyPolicy, random: Random
) -> None:
    cpf = number("cpf", random)
    text = ENCODINGS[outer](ENCODINGS[inner](f"cpf {grouped(3, 3, 3, 2, by='.')(cpf)}"))
    assert kinds(f"payload {text} end", policy) == {"cpf"}


def test_json_addresses_and_html_as_their_libraries_write_them(
    policy: PrivacyPolicy, random: Random
) -> None:
    cpf = grouped(3, 3, 3, 2, by=".")(number("cpf", random))
    assert kinds(json.dumps(json.dumps({"documento": cpf})), policy) == {"cpf"}
    assert kinds(quote(quote(f"cpf={cpf}&x=1", safe=""), safe=""), policy) == {"cpf"}
    assert kinds(html.escape(html.escape(f"<a title='{cpf}'>")), policy) == {"cpf"}


def hexadecimal(random: Random, count: int) -> str:
    return f"{random.getrandbits(count * 4):0{count}x}"


def letters(random: Random, count: int) -> str:
    return draw.letters(random, count - 1) + "7"


def base62(count: int) -> Callable[[Random], str]:
    return lambda random: letters(random, count)


UPPER = string.ascii_uppercase + string.digits
# Parts are joined here so that no scanner of secrets takes this file for one.
TOKENS: dict[str, Callable[[Random], str]] = {
    "GitHub, fine-grained": lambda r: "github" + f"_pat_{letters(r, 22)}_{letters(r, 59)}",
    **{f"GitHub {p}": (lambda r, p=p: f"gh{p}" + "_" + letters(r, 36)) for p in "pousr"},
    "GitLab": lambda r: "glpat" + f"-{letters(r, 20)}",
    "npm": lambda r: "npm" + f"_{letters(r, 36)}",
    "PyPI": lambda r: "pypi" + f"-AgEIcHlwaS5vcmc{letters(r, 90)}",
    "Slack bot": lambda r: "xoxb" + f"-{draw.digits(r, 12)}-{draw.digits(r, 13)}-{letters(r, 24)}",
    "Slack app": lambda r: "xapp" + f"-1-A0{draw.letters(r, 9, UPPER)}-{draw.digits(r, 13)}-{hexadecimal(r, 64)}",
    "Slack webhook": lambda r: "https://hooks.slack.com/services"
    + f"/T{draw.letters(r, 8, UPPER)}/B{draw.letters(r, 8, UPPER)}/{letters(r, 24)}",
    "Stripe": lambda r: "sk" + f"_live_{letters(r, 24)}",
    "Stripe, restricted": lambda r: "rk" + f"_live_{letters(r, 99)}",
    "Google": lambda r: "AIza" + f"Sy{letters(r, 33)}",
    "AWS": lambda r: "AKIA" + draw.letters(r, 16, string.ascii_uppercase + "234567"),
    "AWS, temporary": lambda r: "ASIA" + draw.letters(r, 16, string.ascii_uppercase + "234567"),
    "AWS secret": lambda r: f"aws_secret_access_key = {letters(r, 40)}",
    "Azure storage": lambda r: "DefaultEndpointsProtocol=https;AccountName=a;AccountKey="
    + f"{base64.b64encode(r.randbytes(64)).decode()};EndpointSuffix=x",
    "Azure bus": lambda r: "Endpoint=sb://a.net/;SharedAccessKeyName=k;SharedAccessKey="
    + f"{base64.b64encode(r.randbytes(32)).decode()}",
    "Azure SAS": lambda r: "https://a.blob.core.windows.net/c?sv=2024-01-01&sp=r&sig="
    + quote(base64.b64encode(r.randbytes(32)).decode(), safe=""),
    "OpenAI": lambda r: "sk" + f"-proj-{letters(r, 74)}",
    "OpenAI, old": lambda r: "sk" + f"-{letters(r, 20)}T3BlbkFJ{letters(r, 20)}",
    "Anthropic": lambda r: "sk" + f"-ant-api03-{letters(r, 93)}-{letters(r, 6)}AA",
    "SendGrid": lambda r: "SG" + f".{letters(r, 22)}.{letters(r, 43)}",
    "Twilio": lambda r: "SK" + hexadecimal(r, 32),
    "Telegram": lambda r: f"{r.randrange(10**8, 10**10)}:AA{letters(r, 33)}",
    "DigitalOcean": lambda r: "dop" + f"_v1_{hexadecimal(r, 64)}",
    "Vault": lambda r: "hvs" + f".CAES{letters(r, 90)}",
    "Databricks": lambda r: "dapi" + hexadecimal(r, 32),
    "dbt Cloud": lambda r: "dbtc" + f"_{letters(r, 40)}",
    "Hugging Face": lambda r: "hf" + "_" + draw.letters(r, 34, string.ascii_letters),
    "Mailchimp": lambda r: f"{hexadecimal(r, 32)}-us{r.randrange(1, 20)}",
    "Square": lambda r: "sq0csp" + f"-{letters(r, 43)}",
    "JSON web token": lambda r: ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=")
        for part in (b'{"alg":"HS256"}', b'{"sub":"1","n":22}', r.randbytes(32))
    ),
    "RSA key": lambda _: "-----BEGIN RSA PRIVATE " + "KEY-----",
    "OpenSSH key": lambda _: "-----BEGIN OPENSSH PRIVATE " + "KEY-----",
    "PGP key": lambda _: "-----BEGIN PGP PRIVATE " + "KEY BLOCK-----",
    "password in an address": lambda r: f"postgresql://app:{letters(r, 14)}@db.provedor.net/x",
    "password without a name": lambda r: f"redis://:{letters(r, 14)}@cache:6379/0",
    "password with signs": lambda r: f"amqp://app:{letters(r, 5)}@{letters(r, 5)}@mq.provedor.net",
    ".netrc": lambda r: f"machine host.provedor.net login ana password {letters(r, 10)}",
    "basic": lambda r: f"Authorization: Basic {base64_of('ana:' + letters(r, 9))}",
    "bearer": lambda r: f"authorization: Bearer {letters(r, 40)}",
    "option": lambda r: f"tool --password {letters(r, 12)} run",
    "assignment": lambda r: f"DB_PASSWORD={letters(r, 14)}",
    "YAML": lambda r: f"  client_secret: '{letters(r, 32)}'",
    "XML": lambda r: f"<password>{letters(r, 12)}</password>",
    "Django": lambda r: f"SECRET_KEY_BASE={letters(r, 50)}",
    "ADO": lambda r: f"Server=db;User Id=app;Password={letters(r, 12)};",
    "query": lambda r: f"GET /x?access_token={letters(r, 30)}&n=1",
}  # fmt: skip


@pytest.mark.parametrize("shape", TOKENS)
def test_secrets(shape: str, policy: PrivacyPolicy, random: Random) -> None:
    for _ in range(5):
        assert kinds(TOKENS[shape](random), policy) == {"access_token"}


def test_a_password_that_a_person_chose(policy: PrivacyPolicy) -> None:
    for value in ("Verao" + "2026!", "hunter" + "2x9Q", "S3nha" + "forte", "correct" + "Horse9"):
        assert kinds(f"senha={value}", policy) == {"access_token"}, value


CLEAN: tuple[Callable[[Random], str], ...] = (
    lambda r: f"order 2026{draw.digits(r, 10)} filled at 0.{draw.digits(r, 8)}",
    lambda r: f"pedido {draw.digits(r, 11)}, nota {draw.digits(r, 9)}",
    lambda r: f"commit {hexadecimal(r, 40)} tree {hexadecimal(r, 40)}",
    lambda r: f"sha256:{hexadecimal(r, 64)}",
    lambda r: f"md5={hexadecimal(r, 32)} etag=\"{hexadecimal(r, 32)}\"",
    lambda r: f"trace_id={hexadecimal(r, 32)} span_id={hexadecimal(r, 16)}",
    lambda r: f"request {draw.uuid(r)} took {r.randrange(9999)} ms",
    lambda r: f"2026-{r.randrange(1, 13):02}-{r.randrange(1, 29):02}T03:10:10.{draw.digits(r, 6)}Z started",
    lambda r: f"epoch {1767571200000 + r.randrange(10**9)} ns {1767571200000000000 + r.randrange(10**15)}",
    lambda r: f"mbp {r.randrange(9)}.{r.randrange(30)}.{r.randrange(9)}.{r.randrange(9)} released",
    lambda r: f"Chrome/{r.randrange(90, 140)}.0.{r.randrange(1000, 7000)}.{r.randrange(200)}",
    lambda r: f"lat -{r.randrange(10, 30)}.{draw.digits(r, 7)}, lon -{r.randrange(35, 60)}.{draw.digits(r, 7)}",
    lambda r: f"R$ {r.randrange(1, 999)}.{draw.digits(r, 3)}.{draw.digits(r, 3)},{draw.digits(r, 2)}",
    lambda r: f"US$ {r.randrange(1, 999)},{draw.digits(r, 3)},{draw.digits(r, 3)}.{draw.digits(r, 2)}",
    lambda r: f"season 2024-2025, budget {r.randrange(2000, 2030)}-{r.randrange(2000, 2030)}",
    lambda _: "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
    lambda _: "0 1 0 1 1 0 1 0 0 1 1 one-hot",
    lambda r: f"score {r.random():.12f} weight {r.random():.9f}",
    lambda r: f"CEP {draw.digits(r, 5)}-{draw.digits(r, 3)}, agencia {draw.digits(r, 4)}",
    lambda r: f"10.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(256)} and 192.168.0.{r.randrange(256)}",
    lambda r: f"data:{base64_of(f'plain words only {r.randrange(99)}')}",
    lambda r: f"fingerprint {':'.join(hexadecimal(r, 2) for _ in range(20))}",
    lambda r: f"mac {':'.join(hexadecimal(r, 2) for _ in range(6))}",
    lambda _: "password: ${DB_PASSWORD} token: <your-token> secret = settings.secret_key",
    lambda _: "password=os.environ['X'] api_key=get_key() secret: vault:secret/data/app#key",
    lambda r: f"password_hash={hexadecimal(r, 64)} token_count=12345678",
    lambda r: f"page {r.randrange(99)} of 100, 3x 2.5, 50%",
    lambda _: "n=40 x=3D y=20 cpf=",
    lambda r: f"ISBN 978-{draw.digits(r, 2)}-{draw.digits(r, 5)}-{draw.digits(r, 2)}-{draw.digits(r, 1)}",
    lambda r: f"C:\\temp\\new\\file{r.randrange(99)}.txt",
)  # fmt: skip


@pytest.mark.parametrize("number_of_line", range(len(CLEAN)))
def test_what_only_looks_like_it(number_of_line: int, policy: PrivacyPolicy) -> None:
    wrong = [
        line
        for seed in range(60)
        if kinds(line := CLEAN[number_of_line](Random(seed)), policy)  # noqa: S311 (no secret)
    ]
    assert len(wrong) <= 1, wrong[:3]  # one number of a hundred has right check digits by chance


@pytest.mark.parametrize(
    "line",
    [
        lambda size: "1 " * size,
        lambda size: "1" * size,
        lambda size: "a" * size,
        lambda size: "A1b2" * (size // 4),
        lambda size: "=41" * (size // 3),
        lambda size: "%41" * (size // 3),
        lambda size: "\\" * size,
        lambda size: "&#49;" * (size // 5),
        lambda size: "(11) " * (size // 5),
        lambda size: "senha=" * (size // 6),
        lambda size: "a@" * (size // 2),
        lambda size: "a." * (size // 2),
        lambda size: "cpf 1 2 " * (size // 8),
        lambda size: "1.2.3." * (size // 6),
        lambda size: "<" * size,
        lambda size: base64_of(base64_of(base64_of("x y " * (size // 10)))),
        lambda size: f'{{"cpf": "{"390.533.447-0 " * (size // 14)}"}}',
        lambda size: ",".join(str(10**10 + n) for n in range(size // 12)),
    ],
)  # fmt: skip
def test_time_grows_with_the_text_and_not_with_its_square(
    line: Callable[[int], str], policy: PrivacyPolicy
) -> None:
    def seconds(size: int) -> float:
        start = time.process_time()
        scan_text(line(size), "x", policy)
        return time.process_time() - start

    seconds(1000)
    small, large = seconds(20_000), seconds(160_000)
    assert large < 24 * small + 0.5


def test_numbers_of_two_cells_are_no_document(random: Random, policy: PrivacyPolicy) -> None:
    """`54` and `123.481250000` side by side have the digits of a CNPJ; in one cell, its spelling is one."""
    digits = draw.cnpj(random, lettered=False)
    plain = re.sub(r"\D", "", digits)
    rows = f"page,count,p75,tax\na,{plain[:2]},{plain[2:5]}.{plain[5:]},x\n"
    assert scan_text(rows, "kpi.csv", policy) == []
    assert [
        value.kind for value in scan_text(f"page,count,tax\na,3,{digits}\n", "kpi.csv", policy)
    ] == ["cnpj"]


def test_a_bypass_is_no_password(policy: PrivacyPolicy) -> None:
    assert scan_text("l.removeBypass=l.removeCss=l.removeStyle1", "a.js", policy) == []
