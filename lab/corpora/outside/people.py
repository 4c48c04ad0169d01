"""Made-up telephones, e-mail addresses, addresses of the internet and names, in the spellings that are in use."""

# ruff: noqa: SIM905 - long lists of words are read most easily as one text

from __future__ import annotations

import ipaddress
import random

from lab.corpora.outside.writing import (
    DIGITS,
    FULL_WIDTH,
    Spelling,
    Value,
    chance,
    digits,
    unusual,
    weighted,
)

AREAS = (
    "11 12 13 14 15 16 17 18 19 21 22 24 27 28 31 32 33 34 35 37 38 41 42 43 44 45 46 47 48 49 51 53 54 55 61 62 63"
    " 64 65 66 67 68 69 71 73 74 75 77 79 81 82 83 84 85 86 87 88 89 91 92 93 94 95 96 97 98 99"
).split()

# Country code, then the national number in its groups: # is any digit, % one from 2 to 9.
ABROAD = (
    *(("1", "212 %## ####"), ("1", "415 %## ####"), ("1", "305 %## ####"), ("1", "617 %## ####")),
    *(
        ("44", "7400 ######"),
        ("44", "20 7%## ####"),
        ("351", "912 ### ###"),
        ("351", "21 3## ####"),
    ),
    *(
        ("49", "1511 #######"),
        ("33", "6 1# ## ## ##"),
        ("34", "612 ### ###"),
        ("39", "347 ### ####"),
    ),
    *(
        ("54", "9 11 5### ####"),
        ("52", "55 5### ####"),
        ("56", "9 8### ####"),
        ("57", "310 ### ####"),
    ),
    *(("598", "94 ### ###"), ("81", "90 %### ####"), ("91", "98### #####"), ("61", "412 ### ###")),
)


def brazilian_phone(rng: random.Random) -> tuple[str, str, str]:
    """Area code, first and second part of the number."""
    if chance(rng, 0.75):
        return rng.choice(AREAS), f"9{rng.randint(6, 9)}{digits(rng, 3)}", digits(rng, 4)
    return rng.choice(AREAS), f"{rng.randint(2, 5)}{digits(rng, 3)}", digits(rng, 4)


def foreign_phone(rng: random.Random) -> tuple[str, list[str]]:
    country, pattern = rng.choice(ABROAD)
    signs = {"#": DIGITS, "%": "23456789"}
    number = "".join(rng.choice(signs[sign]) if sign in signs else sign for sign in pattern)
    return country, number.split()


def spelled_at_home(rng: random.Random) -> Spelling:
    area, first, last = brazilian_phone(rng)
    carrier = rng.choice(("15", "21", "31", "41"))
    return weighted(
        rng,
        (10, (f"+55 {area} {first}-{last}", True)),
        (10, (f"+55{area}{first}{last}", True)),
        (4, (f"+55 ({area}) {first}-{last}", True)),
        (2, (f"+55({area}){first}-{last}", True)),
        (2, (f"+55-{area}-{first}-{last}", True)),
        (2, (f"+55.{area}.{first}.{last}", True)),
        (2, (f"+55 (0{area}) {first}-{last}", True)),
        (2, (f"0055 {area} {first} {last}", False)),
        (4, (f"55{area}{first}{last}", False)),
        (12, (f"({area}) {first}-{last}", True)),
        (3, (f"({area}){first}-{last}", True)),
        (3, (f"({area}) {first} {last}", True)),
        (3, (f"({area}) {first}.{last}", True)),
        (3, (f"({area}) {first}{last}", True)),
        (3, (f"(0{area}) {first}-{last}", True)),
        (5, (f"{area} {first}-{last}", False)),
        (3, (f"{area}-{first}-{last}", False)),
        (3, (f"{area}.{first}.{last}", False)),
        (3, (f"{area} {first} {last}", False)),
        (2, (f"{area}/{first}-{last}", False)),
        (8, (f"{area}{first}{last}", False)),
        (3, (f"0{area}{first}{last}", False)),
        (2, (f"0{area} {first}-{last}", False)),
        (3, (f"0xx{area} {first}-{last}", True)),
        (2, (f"0xx{area}{first}{last}", False)),
        (2, (f"(0xx{area}) {first}-{last}", True)),
        (2, (f"0XX({area}) {first}-{last}", True)),
        (1, (f"0 xx {area} {first} {last}", False)),
        (2, (f"0{carrier} {area} {first}-{last}", False)),
        (2, (f"{first}-{last}", False)),
        (6, (unusual(rng, (area, first, last), f"({area}) {first}-{last}"), False)),
        (2, (unusual(rng, ("+55", area, first, last), f"+55 {area} {first}-{last}"), False)),
    )


def spelled_abroad(rng: random.Random) -> Spelling:
    country, groups = foreign_phone(rng)
    return weighted(
        rng,
        (6, (f"+{country} {' '.join(groups)}", True)),
        (6, (f"+{country}{''.join(groups)}", True)),
        (3, (f"+{country}-{'-'.join(groups)}", True)),
        (2, (f"+{country}.{'.'.join(groups)}", True)),
        (2, (f"+{country} ({groups[0]}) {'-'.join(groups[1:])}", True)),
        (2, (f"00{country} {' '.join(groups)}", False)),
        (1, (f"00{country}{''.join(groups)}", False)),
    )


def phone(rng: random.Random) -> Value:
    text, plain = spelled_at_home(rng) if chance(rng, 0.75) else spelled_abroad(rng)
    fields: tuple[str, ...] = (
        "phone",
        "telefone",
        "celular",
        "phone_number",
        "mobile",
        "whatsapp",
        "contact_phone",
    )
    fields += ("tel", "fone", "telefone_contato", "mobile_phone", "sms_to")
    return Value("phone", text, fields, plain)


# --- e-mail --------------------------------------------------------------------------------------

GIVEN = (
    "Ana Beatriz Carlos Daniela Eduardo Fernanda Gabriel Helena Igor Juliana Leonardo Mariana Nelson Otávio Patrícia"
    " Rafael Sônia Tiago Vanessa William João José Antônio Cláudia Luís Márcia Renata Sérgio Emily Oliver Sophia"
    " James Charlotte Henry Amelia Thomas Grace Peter"
).split()
FAMILY = (
    "Silva Souza Oliveira Pereira Lima Carvalho Ferreira Rodrigues Almeida Nascimento Araújo Ribeiro Barbosa Cardoso"
    " Teixeira Moreira Cavalcanti Gonçalves Magalhães Fonseca Peixoto Queiroz Tavares Vasconcelos Smith Johnson Brown"
    " Taylor Anderson Wright Cooper Hughes Bennett Foster"
).split()
PLAIN_LETTERS = str.maketrans("áâãàéêíóôõúçÁÉÍÓÚ", "aaaaeeioooucAEIOU")
PROVIDERS = (
    "gmail.com hotmail.com outlook.com yahoo.com.br uol.com.br bol.com.br terra.com.br icloud.com proton.me"
    " live.com globo.com ig.com.br"
).split()
COMPANIES = (
    "corretora-aurora.com.br mercadovivo.com.br mail.banconorte.com.br eu.northwind-trading.co.uk fintech-sul.io"
    " alunos.faculdadeleste.edu.br hafenhandel.de prefeitura.sp.gov.br tribunal.jus.br lumen.app datawerk.dev"
).split()
IDN = (
    "correiosão.com.br",
    "münchen-börse.de",
    "ações-já.com.br",
    "xn--mnchen-3ya.de",
    "пример-почта.рф",
)


def email_address(rng: random.Random) -> str:
    given = rng.choice(GIVEN).translate(PLAIN_LETTERS).lower()
    family = rng.choice(FAMILY).translate(PLAIN_LETTERS).lower()
    local = weighted(
        rng,
        (8, f"{given}.{family}"),
        (4, f"{given}{family}{rng.randint(1, 99)}"),
        (4, f"{given[0]}{family}"),
        (3, f"{given}_{family}"),
        (3, f"{given}-{family}"),
        (3, f"{given}.{family}+{rng.choice(('mbp', 'news', 'teste', '2026', 'pix'))}"),
        (1, f"{given[0]}.o'{family}"),
        (2, f"{family}{rng.randint(1960, 2008)}"),
    )
    domain = weighted(
        rng, (8, rng.choice(PROVIDERS)), (6, rng.choice(COMPANIES)), (1, rng.choice(IDN))
    )
    return f"{local}@{domain}"


def email(rng: random.Random) -> Value:
    address = email_address(rng)
    text = weighted(
        rng,
        (40, address),
        (4, address.upper()),
        (3, f"mailto:{address}"),
        (3, f"<{address}>"),
        (1, address.replace("@", "\uff20")),
        (1, address.replace("@", " @ ")),
    )
    fields: tuple[str, ...] = (
        "email",
        "e_mail",
        "customer_email",
        "email_cliente",
        "user_email",
        "contact_email",
        "to",
    )
    fields += ("login", "user", "recipient", "email_contato", "reply_to")
    return Value("email", text, fields, plain=True)


# --- addresses of the internet -------------------------------------------------------------------

# Parts of the public space that registries gave to providers: the first two octets and the length.
NETWORKS = (
    *((177, 0, 10), (179, 96, 12), (186, 192, 11), (189, 0, 9), (191, 0, 11), (200, 128, 10)),
    *((45, 160, 12), (5, 32, 12), (24, 0, 9), (73, 0, 9), (81, 128, 10), (109, 64, 10)),
    *((4, 0, 9), (12, 0, 9), (18, 32, 11)),
)
NETWORKS_6 = ("2804:14c", "2804:7f4", "2a02:8108", "2600:1700", "2001:8a0", "2405:201", "2a01:cb1d")


def ip4_address(rng: random.Random) -> ipaddress.IPv4Address:
    first, second, length = rng.choice(NETWORKS)
    start = (first << 24) + (second << 16)
    return ipaddress.IPv4Address(start + rng.randrange(1, 2 ** (32 - length) - 1))


def ip6_address(rng: random.Random) -> ipaddress.IPv6Address:
    rest = [rng.choice(("0", f"{rng.randrange(65536):x}")) for _ in range(5)]
    return ipaddress.IPv6Address(
        f"{rng.choice(NETWORKS_6)}:{':'.join(rest)}:{rng.randint(1, 65535):x}"
    )


def spelled_ip4(rng: random.Random) -> Spelling:
    address = ip4_address(rng)
    octets = str(address).split(".")
    plain = sorted(len(octet) for octet in octets)[2] == len("255")
    return weighted(
        rng,
        (50, (str(address), plain)),
        (10, (f"{address}:{rng.randint(1024, 65535)}", plain)),
        (3, (f"{address}/32", plain)),
        (3, (f"::ffff:{address}", True)),
        (2, (f"{address}, 10.0.{rng.randint(0, 9)}.{rng.randint(2, 250)}", plain)),
        (1, (f"[{address}]", plain)),
        (1, (".".join(f"{int(octet):03}" for octet in octets), plain)),
        (1, (str(address).translate(FULL_WIDTH), False)),
        (1, (f"{'.'.join(reversed(octets))}.in-addr.arpa", True)),
        (1, (f"::ffff:{int(address) >> 16:x}:{int(address) & 65535:x}", False)),
        (1, (str(int(address)), False)),
    )


def spelled_ip6(rng: random.Random) -> Spelling:
    address = ip6_address(rng)
    return weighted(
        rng,
        (12, (str(address), True)),
        (4, (address.exploded, True)),
        (3, (str(address).upper(), True)),
        (3, (f"[{address}]:{rng.randint(1024, 65535)}", True)),
        (2, (f"{address}/64", True)),
        (1, (address.reverse_pointer, True)),
    )


def ip(rng: random.Random) -> Value:
    text, plain = spelled_ip4(rng) if chance(rng, 0.72) else spelled_ip6(rng)
    fields: tuple[str, ...] = (
        "client_ip",
        "remote_addr",
        "ip",
        "ip_address",
        "x_forwarded_for",
        "source_ip",
        "user_ip",
    )
    fields += ("ip_cliente", "peer_addr", "x_real_ip", "last_login_ip", "endereco_ip")
    return Value("ip", text, fields, plain)


# --- names ---------------------------------------------------------------------------------------


def name(rng: random.Random) -> Value:
    given, family = rng.choice(GIVEN), rng.choice(FAMILY)
    middle = rng.choice(FAMILY)
    text = weighted(
        rng,
        (8, f"{given} {family}"),
        (5, f"{given} {middle} {family}"),
        (4, f"{given} {rng.choice(GIVEN)} {rng.choice(('da', 'de', 'dos'))} {family}"),
        (2, f"{given} {middle[0]}. {family}"),
        (1, f"{given} {family} {rng.choice(('Jr.', 'Filho', 'Neto'))}"),
        (1, f"{family}, {given}"),
    )
    text = weighted(
        rng, (10, text), (3, text.upper()), (1, text.lower()), (3, text.translate(PLAIN_LETTERS))
    )
    fields: tuple[str, ...] = (
        "nome",
        "nome_completo",
        "full_name",
        "customer_name",
        "nome_cliente",
        "client_name",
    )
    fields += (
        "holder_name",
        "titular",
        "beneficiario",
        "account_holder",
        "payer_name",
        "nome_titular",
    )
    return Value("name", text, fields)
