"""How each kind is spelled in the corpus, and where it occurs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from lab.corpora import random_values as draw

Spell = Callable[[Random], str]
# Anything may be here: the value names itself by its form.
OPEN_CONTEXTS = (
    "{}",
    "INFO request done for {}",
    "2026-01-05T03:10:10.898763Z mbp-engine WARN refused {} after 3 tries",
    '{{"level":"info","msg":"seen {}","n":3}}',
    "insert into people values (17, '{}', now());",
    "17,{},true,2026-01-05",
    "<td>{}</td>",
    "recebido de {}, conferido.",
    "({})",
    "x={};y=2",
    "trace 84f017549f28468233be9d7073a83d09 value={}",
    "id,value,ok\n1,{},true",
    "[{}]",
    "| 17 | {} | open |",
)


@dataclass(frozen=True)
class SpellingFamily:
    """A way of writing a kind, and where it is written so."""

    kind: str
    spell: Spell
    contexts: tuple[str, ...] = OPEN_CONTEXTS


def _grouped(text: str, sizes: Sequence[int], separators: Sequence[str]) -> str:
    out, at = "", 0
    for size, separator in zip(sizes, (*separators, ""), strict=True):
        out += text[at : at + size] + separator
        at += size
    return out


def _cpf(*separators: str) -> Spell:
    return lambda r: _grouped(draw.cpf(r), (3, 3, 3, 2), separators or ("", "", ""))


def _cnpj(*separators: str, lettered: bool = False) -> Spell:
    return lambda r: _grouped(
        draw.cnpj(r, lettered=lettered), (2, 3, 3, 4, 2), separators or ("",) * 4
    )


def _card(separator: str) -> Spell:
    def spell(random: Random) -> str:
        number = draw.card(random)
        sizes = (4, 6, 5) if len(number) == 15 else (4, 4, 4, 4)  # noqa: PLR2004
        return _grouped(number, sizes, (separator,) * (len(sizes) - 1))

    return spell


def _written(spell: Spell, change: Callable[[Random, str], str]) -> Spell:
    return lambda r: change(r, spell(r))


def _other_digits(start: int) -> Callable[[Random, str], str]:
    return lambda _, text: "".join(
        chr(start + int(character)) if character.isdigit() else character for character in text
    )


def _hidden_character(random: Random, text: str) -> str:
    at = random.randrange(1, len(text))
    return text[:at] + random.choice("\u200b\u200c\u200d\u2060\ufeff\u00ad") + text[at:]


def _percent(_: Random, text: str) -> str:
    return "".join(
        character
        if character.isalnum() and character.isascii()
        else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )


def _escaped(_: Random, text: str) -> str:
    return "".join(
        character if character.isalnum() else f"\\u{ord(character):04x}" for character in text
    )


def _entities(_: Random, text: str) -> str:
    return "".join(
        character if character.isalnum() else f"&#{ord(character)};" for character in text
    )


def _base64(_: Random, text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _phone(form: str, *, mobile: bool = True) -> Spell:
    def spell(random: Random) -> str:
        area, number = draw.mobile(random) if mobile else draw.landline(random)
        return form.format(area=area, head=number[:-4], tail=number[-4:])

    return spell


def _short_cpf(random: Random) -> str:
    """As a spreadsheet leaves it."""
    while True:
        number = draw.cpf(random)
        if number[0] == "0" and number[1] != "0":
            return number[1:]


CPF, CNPJ = _cpf(".", ".", "-"), _cnpj(".", ".", "/", "-")
NEW_CNPJ = _cnpj(".", ".", "/", "-", lettered=True)
NAMED_CPF = (
    "cpf={}",
    '{{"cpf":"{}"}}',
    "CPF do titular: {}",
    "documento {} conferido",
    "customer_cpf: {}",
    "id,cpf,ok\n1,{},true",
    "CPF{}",
    "pedido 17 do cpf {}",
)
NAMED_CNPJ = (
    "cnpj={}",
    '{{"cnpj":"{}"}}',
    "CNPJ do fornecedor: {}",
    "supplier_cnpj: {}",
    "id,cnpj,ok\n1,{},true",
    "pedido 17, cnpj {}",
)
NAMED_PHONE = (
    "telefone {}",
    '{{"phone":"{}"}}',
    "whatsapp: {}",
    "contato_tel={}",
    "id,celular,ok\n1,{},true",
    "call {} now",
    "fone/fax {}",
)
NAMED_CARD = ("cartao {} aprovado", '{{"card_number":"{}"}}', "PAN={}", "id,card,ok\n1,{},true")
NAMED_PIX = (
    "chave pix {}",
    '{{"pix_key":"{}"}}',
    "pix={}",
    "id,chave_pix,ok\n1,{},true",
    "PIX EVP: {} recebido",
    "pix para a chave aleatória {}",
)
NAMED_IP = (
    "client_ip={}",
    '{{"remote_addr":"{}"}}',
    "X-Forwarded-For: {}",
    "from {} port 44321",
    "id,ip,ok\n1,{},true",
    "{} - - [05/Jan/2026] GET /markets 200",
)
SECRETS = (
    "password={}",
    '{{"api_key": "{}"}}',
    "senha: {}",
    "client_secret: '{}'",
    "export MBP_TOKEN={}",
    "MBP_PG_PASSWORD={}",
    '{{\\"access_token\\":\\"{}\\"}}',
    "Authorization: Bearer {}",
    "postgresql://mbp:{}@db.provedor.net:5432/mbp",
    'secretKey: "{}",',
)
NAMES = (
    '{{"nome": "{}", "n": 1}}',
    "customer_name='{}'",
    "titular: {}",
    '{{\\"full_name\\":\\"{}\\"}}',
    "id,nome,ok\n1,{},true",
    'holder_name = "{}"',
    "nome_completo={};",
)

FAMILIES = (
    *(
        SpellingFamily("cpf", spelling)
        for spelling in (
            CPF,
            CPF,
            _cpf(),
            _cpf("", "", "-"),
            _cpf(" ", " ", " "),
            _cpf("-", "-", "-"),
            _cpf(".", ".", "/"),
        )
    ),
    *(
        SpellingFamily("cpf", _written(CPF, change))
        for change in (
            _other_digits(0xFF10),
            _other_digits(0x660),
            _hidden_character,
            _percent,
            _escaped,
            _entities,
            _base64,
        )
    ),
    *(
        SpellingFamily("cpf", _cpf(*separators))
        for separators in (
            ("\xa0", "\xa0", "\xa0"),
            ("\u2009", "\u2009", "\u2011"),
            (".", ".", "\u2013"),
            (". ", ". ", " - "),
        )
    ),
    *(
        SpellingFamily("cpf", spelling, NAMED_CPF)
        for spelling in (
            _cpf(),
            CPF,
            _written(_cpf(), _hidden_character),
            _written(_cpf(), _other_digits(0xFF10)),
        )
    ),
    SpellingFamily(
        "cpf",
        _written(_cpf(), lambda _, text: f"000{text}"),
        tuple(spelling for spelling in NAMED_CPF if "cpf" in spelling.lower())[:5],
    ),
    SpellingFamily("cpf", _short_cpf, NAMED_CPF[:6]),
    SpellingFamily(
        "cpf",
        _cpf(),
        (
            "user_{}_foto.jpg",
            "/clientes/{}/extrato",
            "id: {}, n",
            "customer_id={} ok",
            "?doc={}&x=1",
            "cpf do pedido: {}",
            "order 55 customer document {}",
            "cpf%3D{}",
            "cpf\\n{}",
        ),
    ),
    *(
        SpellingFamily("cnpj", spelling)
        for spelling in (
            CNPJ,
            CNPJ,
            _cnpj(),
            _cnpj("", "", "/", "-"),
            _cnpj(" ", " ", " ", " "),
            NEW_CNPJ,
            NEW_CNPJ,
            _cnpj(lettered=True),
        )
    ),
    *(
        SpellingFamily("cnpj", _written(CNPJ, change))
        for change in (_other_digits(0xFF10), _hidden_character, _percent, _escaped, _base64)
    ),
    *(
        SpellingFamily("cnpj", _written(NEW_CNPJ, change))
        for change in (_hidden_character, _percent, _escaped, lambda _, text: text.lower())
    ),
    *(
        SpellingFamily("cnpj", spelling, NAMED_CNPJ)
        for spelling in (
            _cnpj(),
            _cnpj(lettered=True),
            NEW_CNPJ,
            _written(_cnpj(lettered=True), lambda _, text: text.lower()),
        )
    ),
    *(SpellingFamily("email", draw.email) for _ in range(4)),
    *(
        SpellingFamily("email", _written(draw.email, change))
        for change in (
            _percent,
            _escaped,
            _entities,
            _base64,
            _hidden_character,
            lambda _, text: text.replace("@", "\uff20"),
            lambda _, text: text.upper(),
        )
    ),
    SpellingFamily(
        "email",
        draw.email,
        (
            "mailto:{}",
            "From: Fulano <{}>",
            "user={}&x=1",
            "email={},",
            '{{\\"to\\":\\"{}\\"}}',
            "{}: caixa cheia",
            "por {}.",
            "cc:{};",
            "https://loja7.net/?u={}",
            "\\n{}\\n",
        ),
    ),
    *(
        SpellingFamily("phone", _phone(form))
        for form in (
            "+55 {area} {head}-{tail}",
            "+55{area}{head}{tail}",
            "({area}) {head}-{tail}",
            "({area}){head}-{tail}",
            "{area} {head}-{tail}",
            "+55 ({area}) {head} {tail}",
        )
    ),
    *(
        SpellingFamily("phone", _phone(form, mobile=False))
        for form in ("+55 {area} {head}-{tail}", "({area}) {head}-{tail}")
    ),
    *(
        SpellingFamily("phone", _phone(form), NAMED_PHONE)
        for form in (
            "{area}{head}{tail}",
            "{head}-{tail}",
            "55{area}{head}{tail}",
            "0{area} {head} {tail}",
            "{area}.{head}.{tail}",
        )
    ),
    SpellingFamily("phone", _phone("+55-{area}-{head}-{tail}"), ("tel:{}",)),
    SpellingFamily("phone", _phone("55{area}{head}{tail}"), ("https://wa.me/{}",)),
    # Nothing says what it is: a detector that finds these takes other numbers for telephones.
    SpellingFamily("phone", _phone("{area}{head}{tail}"), ("{}", "17,{},true", "x={};y=2")),
    SpellingFamily(
        "ip",
        lambda r: ".".join(str(r.randrange(11, 25)) for _ in range(4)),
        ("{}", "17,{},true", "x={};y=2"),
    ),
    *(
        SpellingFamily("phone", spelling)
        for spelling in (
            draw.abroad,
            _written(_phone("({area}) {head}-{tail}"), _hidden_character),
            _written(_phone("+55 {area} {head}-{tail}"), _percent),
        )
    ),
    *(SpellingFamily("card", _card(separator)) for separator in (" ", "-", "", "\xa0")),
    *(SpellingFamily("card", _card(separator), NAMED_CARD) for separator in (" ", "-", "", ".")),
    *(
        SpellingFamily("card", _written(_card(" "), change))
        for change in (_other_digits(0xFF10), _hidden_character, _base64)
    ),
    *(
        SpellingFamily("ip", spelling, NAMED_IP)
        for spelling in (draw.public_ipv4, draw.public_ipv4, draw.public_ipv6)
    ),
    *(SpellingFamily("ip", spelling) for spelling in (draw.public_ipv4, draw.public_ipv6)),
    *(SpellingFamily("pix_key", draw.uuid, NAMED_PIX) for _ in range(3)),
    SpellingFamily("pix_key", _written(draw.uuid, _hidden_character), NAMED_PIX),
    SpellingFamily(
        "pix_key", draw.uuid, ("00020126580014br.gov.bcb.pix0136{}5204000053039865802BR6304ABCD",)
    ),
    *(SpellingFamily("access_token", draw.token) for _ in range(3)),
    *(SpellingFamily("access_token", draw.password, SECRETS) for _ in range(3)),
    SpellingFamily(
        "access_token",
        lambda r: f"-----BEGIN {r.choice(('RSA ', 'OPENSSH ', 'EC ', ''))}PRIVATE KEY-----",
        ("{}", 'key: "{}', '{{"pem": "{}\\nMIIE'),
    ),
    *(SpellingFamily("name", draw.person, NAMES) for _ in range(3)),
)
