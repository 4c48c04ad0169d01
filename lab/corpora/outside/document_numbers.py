"""Valid made-up numbers of documents, cards and PIX keys, in the spellings that people and programs write.

Nothing here comes from the detectors or from the libraries that they use: check digits are
computed from their definitions.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from lab.corpora.outside.writing import DIGITS, Value, chance, digits, unusual, weighted


def check_digit(codes: Sequence[int], highest: int | None = None) -> str:
    """Modulo 11 with weights that grow from 2 at the right, up to `highest` and again from 2."""
    span = (highest or len(codes) + 1) - 1
    total = sum(code * (2 + place % span) for place, code in enumerate(reversed(codes)))
    rest = total % 11
    return str((11 - rest) % 11 % 10)


def cpf_number(rng: random.Random) -> str:
    number = digits(rng, 9)
    if len(set(number)) == 1:
        return cpf_number(rng)
    for _ in range(2):
        number += check_digit([int(digit) for digit in number])
    return number


def cnpj_number(rng: random.Random, letters: bool = False) -> str:
    if letters:
        number = digits(rng, 12, DIGITS + "ABCDEGHJKLMNPRSTVWXYZ")
        number = rng.choice("ABCDEGHJ") + number[1:]
    else:
        number = digits(rng, 8) + weighted(rng, (3, "0001"), (1, f"{rng.randint(2, 140):04}"))
    for _ in range(2):
        number += check_digit([ord(character) - 48 for character in number], 9)
    return number


def cpf(rng: random.Random) -> Value:
    number = cpf_number(rng)
    groups = (number[:3], number[3:6], number[6:9], number[9:])
    usual = f"{'.'.join(groups[:3])}-{groups[3]}"
    text, plain = weighted(
        rng,
        (32, (usual, True)),
        (20, (number, False)),
        (5, (f"{number[:9]}-{number[9:]}", False)),
        (3, (f"{'.'.join(groups[:3])}/{groups[3]}", False)),
        (3, (f"{number[:9]}/{number[9:]}", False)),
        (1, (number.lstrip("0"), False)),
        (16, (unusual(rng, groups, usual), False)),
    )
    fields: tuple[str, ...] = (
        "cpf",
        "cpf_cliente",
        "numero_cpf",
        "cpf_titular",
        "customer_cpf",
        "cpf_cnpj",
    )
    fields += ("tax_id", "documento", "document_number", "payer_document", "cpf_pagador")
    return Value("cpf", text, fields, plain)


def cnpj(rng: random.Random) -> Value:
    number = cnpj_number(rng, letters=chance(rng, 0.25))
    if number[0] > "9" and chance(rng, 0.1):
        number = number.lower()
    groups = (number[:2], number[2:5], number[5:8], number[8:12], number[12:])
    usual = f"{'.'.join(groups[:3])}/{groups[3]}-{groups[4]}"
    text, plain = weighted(
        rng,
        (32, (usual, True)),
        (20, (number, False)),
        (5, (f"{number[:12]}-{number[12:]}", False)),
        (5, (f"{number[:8]}/{number[8:12]}-{number[12:]}", True)),
        (3, ("/".join((number[:8], number[8:])), False)),
        (14, (unusual(rng, groups, usual), False)),
    )
    fields: tuple[str, ...] = (
        "cnpj",
        "cnpj_empresa",
        "numero_cnpj",
        "company_cnpj",
        "cnpj_emitente",
        "supplier_cnpj",
    )
    fields += ("cpf_cnpj", "company_tax_id", "cnpj_fornecedor", "merchant_document")
    return Value("cnpj", text, fields, plain)


# --- cards ---------------------------------------------------------------------------------------

# Prefix, length, weight. The last ones are Elo, Hipercard and Aura of Brazil.
BRANDS = (
    *(("4", 16, 12), ("51", 16, 3), ("52", 16, 3), ("53", 16, 3), ("54", 16, 3), ("55", 16, 3)),
    *(("2221", 16, 1), ("2345", 16, 1), ("2720", 16, 1), ("34", 15, 2), ("37", 15, 4)),
    *(("36", 14, 2), ("305", 14, 1), ("6011", 16, 2), ("65", 16, 2), ("3530", 16, 2)),
    *(("62", 16, 1), ("636368", 16, 1), ("438935", 16, 1), ("504175", 16, 1), ("506699", 16, 1)),
    *(("650901", 16, 1), ("627780", 16, 1), ("606282", 16, 2)),
)

# Test cards that payment providers publish. In two parts, so that no scanner takes this list for cards.
TEST_CARDS = tuple(
    front + back
    for front, back in (
        *(("41111111", "11111111"), ("42424242", "42424242"), ("55555555", "55554444")),
        *(("51051051", "05105100"), ("22230031", "22003222"), ("3782822", "46310005")),
        *(("3714496", "35398431"), ("3056930", "9025904"), ("60111111", "11111117")),
        *(("35301113", "33300000"), ("40000566", "55665556"), ("40128888", "88881881")),
        *(("63629700", "00457013"), ("60628288", "88666688")),
    )
)


def luhn_digit(number: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(number)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += sum(divmod(doubled, 10))
    return str(-total % 10)


def card_number(rng: random.Random) -> str:
    if chance(rng, 0.2):
        return rng.choice(TEST_CARDS)
    prefix, length, _ = rng.choices(BRANDS, [weight for _, _, weight in BRANDS])[0]
    number = prefix + digits(rng, length - 1 - len(prefix))
    return number + luhn_digit(number)


def card(rng: random.Random) -> Value:
    number = card_number(rng)
    sizes = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[len(number)]
    ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    groups = [number[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    usual = " ".join(groups)
    text, plain = weighted(
        rng,
        (25, (usual, True)),
        (25, (number, False)),
        (12, ("-".join(groups), True)),
        (3, (".".join(groups), False)),
        (12, (unusual(rng, groups, usual), False)),
    )
    fields: tuple[str, ...] = (
        "card_number",
        "card",
        "pan",
        "numero_cartao",
        "cartao",
        "credit_card",
        "cc_number",
    )
    fields += ("cartao_credito", "debit_card_number", "payment_card")
    return Value("card", text, fields, plain)


# --- PIX keys ------------------------------------------------------------------------------------


def random_uuid(rng: random.Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    text = f"{text[:12]}4{text[13:16]}{rng.choice('89ab')}{text[17:]}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def checksum(text: str) -> str:
    """CRC-16/CCITT-FALSE, as the payment code wants it."""
    value = 0xFFFF
    for byte in text.encode():
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1) ^ (0x1021 if value & 0x8000 else 0)
    return f"{value & 0xFFFF:04X}"


def payment_code(rng: random.Random) -> str:
    """The text behind a PIX QR code, with a random key."""
    account = f"0014br.gov.bcb.pix0136{random_uuid(rng)}"
    amount = f"{rng.randint(1, 900)}.{rng.randint(0, 99):02}"
    text = f"00020126{len(account):02}{account}52040000530398654{len(amount):02}{amount}5802BR"
    text += "5911LOJA AURORA6009SAO PAULO62070503***6304"
    return text + checksum(text)


KEY_FIELDS = (
    *("pix_key", "chave_pix", "chave_pix_aleatoria", "pix_evp"),
    *("pix_random_key", "evp_key", "pix_key_value", "dict_key"),
)


def pix_key(rng: random.Random) -> Value:
    """A random key. An e-mail, a telephone or a CPF as a key is found as what it is."""
    if chance(rng, 0.2):
        fields = ("pix_copia_e_cola", "brcode", "qr_code", "pix_code")
        return Value("pix_key", payment_code(rng), fields, plain=True)
    key = random_uuid(rng)
    key = weighted(rng, (12, key), (2, key.upper()), (1, key.replace("-", "")), (1, f"{{{key}}}"))
    return Value("pix_key", key, KEY_FIELDS)
