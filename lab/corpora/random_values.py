"""Random persons, numbers and tokens for the corpus.

Nothing of the detectors is used here, and no library that they use: check digits are computed again from their
definitions, so that an error on one side shows as a miss.
"""

from __future__ import annotations

import base64
import string
from random import Random

FIRST = (
    "Ana",
    "Bruno",
    "Célia",
    "Davi",
    "Estela",
    "Fábio",
    "Gilda",
    "Heitor",
    "Íris",
    "João",
    "Lívia",
    "Márcio",
    "Noêmia",
    "Otávio",
)
LAST = (
    "Abreu",
    "Bittencourt",
    "Cordeiro",
    "Dourado",
    "Evangelista",
    "Falcão",
    "Guimarães",
    "Holanda",
    "Jardim",
    "Lacerda",
    "Menezes",
)
HOSTS = ("correio", "provedor", "empresa-azul", "loja7", "mx.banco-verde", "mail.oficina")
TOPS = ("com.br", "com", "net", "org.br", "io", "dev", "com.py", "me", "adv.br", "co.uk")
AREAS = (11, 19, 21, 27, 31, 41, 47, 51, 61, 62, 71, 81, 85, 91, 92)
UPPER_AND_DIGITS = string.ascii_uppercase + string.digits
HALF = 0.5
PROVIDERS = (45, 131, 138, 143, 177, 179, 186, 187, 189, 191, 200, 201)
TOKEN = string.ascii_letters + string.digits


def digits(random: Random, count: int) -> str:
    """So many random digits."""
    return "".join(random.choices(string.digits, k=count))


def letters(random: Random, count: int, alphabet: str = TOKEN) -> str:
    """So many random characters."""
    return "".join(random.choices(alphabet, k=count))


def cpf(random: Random) -> str:
    """Eleven digits: the last two are the sums weighted 1 to 9 and 0 to 9 from the left, modulo 11, 10 as 0."""
    while True:
        body = [random.randrange(10) for _ in range(9)]
        if len(set(body)) > 1:
            break
    for first_weight in (1, 0):
        total = sum(weight * digit for weight, digit in enumerate(body, first_weight))
        body.append(total % 11 % 10)
    return "".join(map(str, body))


def cnpj(random: Random, *, lettered: bool) -> str:
    """Fourteen characters: letters count as their ASCII code less 48, weights are 2 to 9 from the right."""
    alphabet = UPPER_AND_DIGITS if lettered else string.digits
    body = letters(random, 8, alphabet)
    if lettered:
        body = random.choice(string.ascii_uppercase) + body[1:7] + random.choice(string.digits)
        branch = "0001" if random.random() < 0.7 else letters(random, 4, alphabet)  # noqa: PLR2004
    else:
        branch = "0001" if random.random() < 0.9 else f"{random.randrange(2, 100):04}"  # noqa: PLR2004
    text = body + branch
    for _ in range(2):
        total = sum(
            (ord(character) - 48) * (2 + place % 8)
            for place, character in enumerate(reversed(text))
        )
        rest = 11 - total % 11
        text += str(rest if rest < 10 else 0)  # noqa: PLR2004
    return text


def card(random: Random) -> str:
    """A number with an issuer's prefix; the check digit makes the sum divisible by ten, twice nine counting as nine."""
    prefix, length = random.choice(
        (
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("2221", 16),
            ("2720", 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("6505", 16),
            ("5067", 16),
            ("606282", 16),
        )
    )
    return with_luhn(prefix + digits(random, length - len(prefix) - 1))


def with_luhn(body: str) -> str:
    """The digits and their check digit."""
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    total = sum(
        doubled[int(digit)] if place % 2 == 0 else int(digit)
        for place, digit in enumerate(reversed(body))
    )
    return body + str(-total % 10)


def person(random: Random) -> str:
    """A name."""
    middle = random.choice(("", "", "da ", "de ", "dos "))
    return f"{random.choice(FIRST)} {middle}{random.choice(LAST)}" + (
        f" {random.choice(LAST)}" if random.random() < HALF else ""
    )


def email(random: Random) -> str:
    """An address in one of the usual forms."""
    first, last = random.choice(FIRST).lower(), random.choice(LAST).lower()
    local = random.choice(
        (
            f"{first}.{last}",
            f"{first[0]}{last}{random.randrange(100)}",
            f"{last}_{first}",
            f"{first}+compras",
            f"{first}-{last}",
            f"{last}{random.randrange(1950, 2012)}",
            f"x.{first}'{last}",
        )
    )
    address = f"{local}@{random.choice(HOSTS)}.{random.choice(TOPS)}"
    return address.title() if random.random() < 0.05 else address  # noqa: PLR2004


def mobile(random: Random) -> tuple[str, str]:
    """Area and number of a Brazilian mobile."""
    return str(random.choice(AREAS)), f"9{random.randrange(6, 10)}{digits(random, 7)}"


def landline(random: Random) -> tuple[str, str]:
    """Area and number of a Brazilian landline."""
    return str(random.choice(AREAS)), f"3{random.randrange(2, 6)}{digits(random, 6)}"


def abroad(random: Random) -> str:
    """A number of another country, as it is dialled from anywhere."""
    return random.choice(
        (
            f"+1212{random.randrange(2, 10)}{random.choice('02345678')}{digits(random, 5)}",
            f"+447{random.choice(('70', '71', '72', '90', '95'))}{digits(random, 7)}",
            f"+35191{digits(random, 7)}",
            f"+346{random.choice('0125')}{digits(random, 7)}",
            f"+49151{random.choice('14567')}{digits(random, 7)}",
        )
    )


def public_ipv4(random: Random) -> str:
    """An address of the public internet, by the first octets of ranges that are given to providers."""
    octets = (
        random.choice(PROVIDERS),
        random.randrange(32, 160),
        *(random.randrange(1, 255) for _ in range(2)),
    )
    return ".".join(map(str, octets))


def public_ipv6(random: Random) -> str:
    """An address of a provider in Brazil, long or with its zeros left out."""
    start = f"28{random.randrange(4, 7):02x}:{random.randrange(0x10, 0xFFFF):x}"
    if random.random() < HALF:
        return f"{start}::{random.randrange(1, 0xFFFF):x}"
    return ":".join([start, *(f"{random.randrange(0x1000, 0xFFFF):x}" for _ in range(6))])


def uuid(random: Random) -> str:
    """A random UUID (RFC 9562, version 4)."""
    text = f"{random.getrandbits(128):032x}"
    return (
        f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{random.choice('89ab')}{text[17:20]}-{text[20:]}"
    )


def token(random: Random) -> str:
    """A credential in the form of its issuer."""
    part = base64.urlsafe_b64encode
    return random.choice(
        (
            f"{random.choice(('AKIA', 'ASIA'))}{letters(random, 16, string.ascii_uppercase + '234567')}",
            f"{random.choice(('ghp_', 'gho_', 'ghs_'))}{letters(random, 36)}",
            f"github_pat_{letters(random, 22)}_{letters(random, 59)}",
            f"{random.choice(('xoxb', 'xoxp'))}-{digits(random, 11)}-{digits(random, 12)}-{letters(random, 24)}",
            f"glpat-{letters(random, 20)}",
            f"AIza{letters(random, 35)}",
            f"sk_live_{letters(random, 24)}",
            ".".join(
                (
                    part(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("="),
                    part(f'{{"sub":"{digits(random, 10)}"}}'.encode()).decode().rstrip("="),
                    letters(random, 43),
                )
            ),
        )
    )


def password(random: Random) -> str:
    """Something drawn at random, with letters and digits."""
    while True:
        text = letters(random, random.randrange(16, 44))
        if any(character.isdigit() for character in text) and len(set(text)) > 11:  # noqa: PLR2004
            return text
