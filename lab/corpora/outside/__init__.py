"""A labelled corpus whose author had not read the detectors, to measure them with. docs/privacy.md.

About half of the lines are clean and resemble what is not. The label of a line is what a careful
reviewer would confirm: values are valid (check digits, issuers, numbering plans, public addresses),
and a value that only a name identifies has that name. Everything is made up from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab.corpora.outside import clean, document_numbers, line_forms, people, tokens
from lab.corpora.outside.writing import Value, chance, weighted

KINDS: tuple[tuple[int, Callable[[random.Random], Value]], ...] = (
    *(
        (12, document_numbers.cpf),
        (10, document_numbers.cnpj),
        (10, document_numbers.card),
        (14, people.phone),
        (11, people.email),
    ),
    *((11, people.ip), (9, people.name), (7, document_numbers.pix_key), (16, tokens.access_token)),
)

# Places of a value in a sentence. What is under "" fits every value that is recognised alone.
PHRASES = {
    "cpf": (
        "CPF {} já cadastrado",
        "consulta do CPF {} na Receita Federal sem retorno",
        "cliente com documento {} bloqueado",
        "Customer with CPF {} was rejected by KYC",
        "upload kyc/cpf-{}-frente.jpg",
        "segunda via enviada ao titular, CPF nº {}.",
    ),
    "cnpj": (
        "CNPJ {} sem inscrição estadual",
        "fornecedor CNPJ {} aprovado",
        "company {} (CNPJ) not found in registry",
        "nota emitida por CNPJ: {}",
        "supplier CNPJ={} has 3 open invoices",
    ),
    "card": (
        "cartão {} recusado pelo emissor",
        "card {} declined: insufficient funds",
        "charge failed for credit card {} exp 11/29",
        "pagamento com o cartão nº {} estornado",
        "tokenizing PAN {}",
    ),
    "phone": (
        "SMS enviado para o celular {}",
        "ligar para {} (telefone do cliente)",
        "whatsapp {} sem resposta",
        "calling phone {} for verification",
        "could not deliver SMS to mobile {}",
        "Tel.: {}",
        "contato: fone {} após as 18h",
    ),
    "email": (
        "e-mail {} já está em uso",
        "password reset sent to {}",
        "bounce from {}: mailbox full",
        "usuário {} fez login",
        "enviado para {}.",
    ),
    "ip": (
        "login failed from client {}",
        "blocked IP {} after 5 attempts",
        "acesso do IP {} negado",
        "remote address {} exceeded the rate limit",
        "Accepted publickey for deploy from ip {}",
    ),
    "name": (
        "Cliente {} solicitou o encerramento da conta",
        "Olá {}, seu saque foi aprovado",
        "Titular {} não confere com o cadastro",
        "Customer {} requested account closure",
        "Dear {}, your withdrawal was approved",
        "transfer from account holder {} is pending",
        "Sra. {} ligou para pedir o extrato",
    ),
    "pix_key": (
        "chave PIX {} não encontrada no DICT",
        "pix key {} resolved in 80 ms",
        "transferência para a chave pix {} recusada",
        "PIX enviado, chave aleatória: {}",
    ),
    "access_token": (),
    "": (
        "Received: {}",
        "duplicate entry '{}' for key 'uq_1'",
        "falha ao validar {}",
        "skipping row with value {}",
        "could not parse {!r}",
        "-> {}",
    ),
}

# Any of these is a PIX key too, and is labelled as what it is.
AS_PIX_KEY = {"cpf", "cnpj", "email", "phone"}


@dataclass(frozen=True)
class Labelled:
    """One text (most have one line; a stack trace, a CSV row under its header or a key have more) and
    the kinds that are in it: the classes of contracts/a108/privacy.yaml, none when it is clean."""

    text: str
    labels: frozenset[str]


def field_of(rng: random.Random, value: Value) -> tuple[str, str]:
    if value.label in AS_PIX_KEY and value.plain and chance(rng, 0.06):
        return rng.choice(("chave_pix", "pix_key")), value.text
    return rng.choice(value.fields), value.text


def one_value(rng: random.Random) -> Labelled:
    value = weighted(rng, *KINDS)(rng)
    sentences = PHRASES[value.label]
    if value.plain and (not sentences or chance(rng, 0.25)):
        sentences = PHRASES[""]
    shape = weighted(rng, (35 if sentences else 0, "sentence"), (18, "encoded"), (47, "form"))
    if shape == "sentence":
        text = line_forms.prefix(rng) + rng.choice(sentences).format(value.text)
    elif shape == "encoded":
        text = line_forms.encoded(rng, [field_of(rng, value)], value.plain)
    else:
        text = line_forms.in_a_form(rng, [field_of(rng, value)])
    return Labelled(text, frozenset({value.label}))


def several_values(rng: random.Random) -> Labelled:
    """What belongs to one customer, in one record."""
    makers = (
        document_numbers.cpf,
        people.phone,
        people.email,
        people.name,
        people.ip,
        document_numbers.card,
    )
    values = [make(rng) for make in rng.sample(makers, rng.randint(2, 4))]
    text = line_forms.in_a_form(rng, [(value.fields[0], value.text) for value in values])
    return Labelled(text, frozenset(value.label for value in values))


def no_value(rng: random.Random) -> Labelled:
    shape = weighted(rng, (40, "sentence"), (10, "encoded"), (50, "form"))
    if shape == "sentence":
        text = line_forms.prefix(rng) + clean.message(rng)
    elif shape == "encoded":
        text = line_forms.encoded(rng, [clean.field(rng), line_forms.noise(rng)], plain=False)
    else:
        text = line_forms.in_a_form(rng, [clean.field(rng) for _ in range(rng.randint(1, 2))])
    return Labelled(text, frozenset())


def lines(count: int, seed: int) -> Iterator[Labelled]:
    """The first `count` lines of a seed: fewer are always the beginning of more."""
    rng = random.Random(seed)  # noqa: S311
    for _ in range(count):
        make = weighted(rng, (50, no_value), (43, one_value), (7, several_values))
        yield make(rng)
