"""The outside corpus is the same for a seed, and its values are what their labels say."""

import ipaddress
import random
from collections import Counter
from itertools import islice

import phonenumbers
import pytest
from validate_docbr import CNPJ, CPF

from lab.corpora.outside import Labelled, document_numbers, lines, people, tokens

KINDS = {"cpf", "cnpj", "card", "phone", "email", "ip", "name", "pix_key", "access_token"}


@pytest.fixture(scope="module")
def corpus() -> list[Labelled]:
    return list(lines(4000, 11))


@pytest.fixture
def rng() -> random.Random:
    return random.Random(5)  # noqa: S311


def test_a_seed_gives_the_same_lines_and_fewer_are_the_beginning_of_more(
    corpus: list[Labelled],
) -> None:
    assert list(lines(300, 11)) == corpus[:300]
    assert list(islice(lines(10**9, 11), 20)) == corpus[:20]
    assert list(lines(50, 12)) != corpus[:50]
    assert list(lines(0, 11)) == []


def test_every_kind_is_there_and_half_is_clean(corpus: list[Labelled]) -> None:
    count = Counter(label for line in corpus for label in line.labels)

    assert set(count) == KINDS
    assert min(count.values()) > 100
    assert 0.45 < sum(not line.labels for line in corpus) / len(corpus) < 0.55
    assert all(line.text.strip() for line in corpus)


def test_numbers_of_documents_have_their_check_digits(rng: random.Random) -> None:
    for _ in range(300):
        assert CPF().validate(document_numbers.cpf_number(rng))
        assert CNPJ().validate(document_numbers.cnpj_number(rng))
        assert CNPJ().validate(document_numbers.cnpj_number(rng, letters=True))


def test_cards_pass_luhn(rng: random.Random) -> None:
    numbers = [document_numbers.card_number(rng) for _ in range(300)]

    assert all(document_numbers.luhn_digit(number[:-1]) == number[-1] for number in numbers)
    assert all(
        document_numbers.luhn_digit(number[:-1]) == number[-1]
        for number in document_numbers.TEST_CARDS
    )


def test_telephones_are_in_a_numbering_plan(rng: random.Random) -> None:
    for _ in range(300):
        home = "+55" + "".join(people.brazilian_phone(rng))
        country, groups = people.foreign_phone(rng)
        for number in (home, f"+{country}{''.join(groups)}"):
            assert phonenumbers.is_valid_number(phonenumbers.parse(number)), number


def test_addresses_are_public(rng: random.Random) -> None:
    for _ in range(300):
        assert people.ip4_address(rng).is_global
        assert ipaddress.ip_address(people.ip6_address(rng)).is_global


def test_a_payment_code_ends_with_its_checksum(rng: random.Random) -> None:
    assert document_numbers.checksum("123456789") == "29B1"  # the check value of the algorithm
    code = document_numbers.payment_code(rng)

    assert document_numbers.checksum(code[:-4]) == code[-4:]
    assert "0014br.gov.bcb.pix0136" in code


def test_the_checksum_of_github_is_six_signs(rng: random.Random) -> None:
    value = tokens.github(rng)

    assert value.plain
    assert len(value.text) == 40
