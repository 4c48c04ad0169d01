"""CPF, CNPJ and payment cards: a shape, check digits, and words around that say it is another number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from validate_docbr import CNPJ, CPF

from mbp.quality.privacy.privacy_policy import Kind
from mbp.quality.privacy.text_around import Hit, Page, parts, verdict

# A sign with spaces around it, or spaces alone, or nothing.
SIGN = r"[.,\-/_|\\:;*]"
SEPARATOR = rf" ?{SIGN} ?| {{1,3}}|"
# Not after another digit. A pattern that begins with the searched characters is several times as fast.
FIRST_DIGIT = r"\d(?<!\d\d)"
CPF_SHAPE = re.compile(
    rf"{FIRST_DIGIT}\d{{2}}(?:{SEPARATOR})\d{{3}}(?:{SEPARATOR})\d{{3}}(?:{SEPARATOR})\d{{2}}(?!\d)"
)
# Zeros in front are added by fixed-width files and lost in spreadsheets.
OTHER_WIDTH = re.compile(rf"{FIRST_DIGIT}(?:(?<=0)0{{0,3}}\d{{11}}|\d{{8,9}})(?!\d)")
CNPJ_SHAPE = re.compile(
    rf"{FIRST_DIGIT}\d(?:{SEPARATOR})\d{{3}}(?:{SEPARATOR})\d{{3}}(?:{SEPARATOR})\d{{4}}(?:{SEPARATOR})\d{{2}}(?!\d)"
)
# Since July 2026 root and branch may have letters (Receita Federal, IN RFB 2.229/2024); check digits stay digits.
LETTERED_CNPJ = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9A-Za-z]{2}(?P<one> ?[.,\-_/ ] ?)[0-9A-Za-z]{3}(?P=one)[0-9A-Za-z]{3}"
    r"(?: ?[.,/\-_ ] ?)[0-9A-Za-z]{4}(?: ?[.,\-_/ ] ?)\d{2}|[0-9A-Za-z]{8}[/ -][0-9A-Za-z]{4}[ -]?\d{2}"
    r"|[0-9A-Z]{12}-?\d{2}|[0-9a-z]{12}\d{2})(?![0-9A-Za-z])"
)
CARD_SHAPE = re.compile(
    FIRST_DIGIT
    + r"(?:\d{3}(?P<four> ?[.,\-/_] ?| {1,3}|)\d{4}(?P=four)\d{4}(?P=four)\d{1,4}(?:(?P=four)\d{3})?"
    + r"|\d{3}(?P<six>[ .,\-_/])\d{6}(?P=six)\d{4,5}|\d{12,18})(?!\d)"
)
# Digit by digit, as people dictate them and as forms with a box for each digit print them.
APART = re.compile(r"\d(?<!\d\d)(?:[ .,\-/_|]{1,3}\d(?!\d)){10,18}(?![ .,\-/_|]{0,3}\d)")
# In whatever groups, where a word says what it is.
CHAIN = re.compile(r"\d(?<!\d\d)(?:[ .\-/_:+()]{0,3}\d){7,40}(?!\d)")
APART_KINDS = 4
MOMENT = re.compile(
    r"(?:19[7-9]|20\d)\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d[0-5]\d"
)
FIRST_BRANCH = "0001"
# Issuer identification numbers with the lengths that are issued (ISO/IEC 7812).
ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|095|6\d|[89]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}"  # Amex, Diners, JCB
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}|62\d{14,17}"  # Discover, Union Pay
    r"|(?:5067|5090|6277|6363|6062|3841)\d{12}"  # Elo, Hipercard
    r"|(?:50|5[6-8]|6[37])\d{11,17}"  # Maestro, Aura
)
# Without any word beside it only what is issued most is believed: serial numbers fit the rest too often.
COMMON = re.compile(
    r"(?:4\d{3}|5[1-5]\d\d|3[47]\d\d|2[2-7]\d\d|60(?:11|62)|50(?:67|90)|6363|65\d\d)"
)
COMMON_LENGTHS = (15, 16)
DIGITS = re.compile(r"\D")
SIGNS = re.compile(r"[\d ]")
CPF_DIGITS, CNPJ_DIGITS, CARD_DIGITS = 11, 14, (16, 15)
NOT_ALNUM = re.compile(r"[^0-9A-Za-z]")
LEFT_SEGMENT = re.compile(r"([0-9A-Za-z]*)([-_.])$")
RIGHT_SEGMENT = re.compile(r"^(?:\.\d|-[0-9a-fA-F]{2,})")

_cpf, _cnpj = CPF(), CNPJ()


def cpf(page: Page) -> Iterator[Hit]:
    """CPF numbers; the library knows that eleven equal digits are none."""
    for matched in CPF_SHAPE.finditer(page.text):
        digits = DIGITS.sub("", matched[0])
        if amount(matched[0]) or not _cpf.validate(digits):
            continue
        if host(matched[0]) and page.says("cpf", *matched.span()) <= 0:
            continue
        if believed(page, "cpf", matched, formatted=written_as(matched[0], "..-")):
            yield Hit(matched.start(), matched.end(), "cpf", "CPF", digits)
    for matched in OTHER_WIDTH.finditer(page.text):
        digits = matched[0].lstrip("0").zfill(11)
        if (
            _cpf.validate(digits)
            and page.says("cpf", *matched.span()) > 0
            and not joined(page, matched)
        ):
            yield Hit(matched.start(), matched.end(), "cpf", "CPF", digits)
    for start, end, digits in loose(page, "cpf", (CPF_DIGITS,)):
        if _cpf.validate(digits):
            yield Hit(start, end, "cpf", "CPF", digits)


def cnpj(page: Page) -> Iterator[Hit]:
    """CNPJ numbers, of digits and since 2026 with letters."""
    for matched in CNPJ_SHAPE.finditer(page.text):
        digits = DIGITS.sub("", matched[0])
        if amount(matched[0]) or len(set(digits)) == 1 or not _cnpj.validate(digits):
            continue
        formatted = written_as(matched[0], "../-")
        moment = MOMENT.fullmatch(digits) and digits[8:12] != FIRST_BRANCH
        padded = digits.startswith("000") and _cpf.validate(digits[3:])
        called_cpf = padded and page.says("cpf", *matched.span()) > 0
        if not formatted and (moment or called_cpf) and page.says("cnpj", *matched.span()) <= 0:
            continue
        if believed(page, "cnpj", matched, formatted=formatted):
            yield Hit(matched.start(), matched.end(), "cnpj", "CNPJ", digits)
    for matched in LETTERED_CNPJ.finditer(page.text):
        plain = NOT_ALNUM.sub("", matched[0]).upper()
        if plain.isdigit() or not _cnpj.validate(plain):
            continue
        formatted = written_as(matched[0], "../-")
        hint = page.says("cnpj", *matched.span())
        # Lower-case tokens of fourteen are identifiers much more often than companies.
        spaced = (
            " " in matched[0] and sum(map(str.isdigit, plain)) < CPF_DIGITS
        )  # words of a sentence
        bare = hint == 0 and matched[0].isupper() and not spaced and not joined(page, matched)
        if formatted or hint > 0 or bare:
            yield Hit(matched.start(), matched.end(), "cnpj", "CNPJ", plain)
    for start, end, digits in loose(page, "cnpj", (CNPJ_DIGITS,)):
        if len(set(digits)) > 1 and _cnpj.validate(digits):
            yield Hit(start, end, "cnpj", "CNPJ", digits)


def card(page: Page) -> Iterator[Hit]:
    """Card numbers: Luhn's check digit, an issuer's prefix, and the length that it issues."""
    for matched in CARD_SHAPE.finditer(page.text):
        digits = DIGITS.sub("", matched[0])
        if not issued(digits):
            continue
        hint = page.says("card", *matched.span())
        separated = (
            len(digits) != len(matched[0]) and "." not in matched[0] and "," not in matched[0]
        )
        common = len(digits) in COMMON_LENGTHS and COMMON.match(digits)
        if not common and hint <= 0:
            continue
        if believed(page, "card", matched, formatted=bool(separated and hint >= 0)):
            yield Hit(matched.start(), matched.end(), "card", "payment card", digits)
    for start, end, digits in loose(page, "card", CARD_DIGITS):
        if issued(digits) and (len(digits) in COMMON_LENGTHS and COMMON.match(digits)):
            yield Hit(start, end, "card", "payment card", digits)


def issued(digits: str) -> bool:
    """Whether an issuer gives out such numbers. Those for tests are issued too: an exception covers a fixture."""
    return len(set(digits)) > 1 and ISSUERS.fullmatch(digits) is not None and luhn(digits)


def loose(page: Page, kind: Kind, lengths: Sequence[int]) -> Iterator[tuple[int, int, str]]:
    """Numbers digit by digit, and in any groups behind a word that names them: start, end and digits."""
    for matched in page.matches(APART):
        digits = DIGITS.sub("", matched[0])
        fits = len(digits) in lengths and len(set(digits)) >= APART_KINDS
        if fits and page.says(kind, *matched.span()) >= 0:
            yield (*matched.span(), digits)
    for matched in page.named(kind, CHAIN):
        places = [at for at, character in enumerate(matched[0]) if character.isdigit()]
        for length in lengths:
            # Other numbers may follow; the number ends where a group does.
            if length <= len(places) and not matched[0][places[length - 1] + 1 :][:1].isdigit():
                digits = "".join(matched[0][at] for at in places[:length])
                yield matched.start(), matched.start() + places[length - 1] + 1, digits


def amount(written: str) -> bool:
    """Whether it is written as an amount: one point or comma, or groups of thousands and then the other of the two."""
    signs = SIGNS.sub("", written)
    return signs in (".", ",", "..,", ",,.", "...,", ",,,.")


def host(written: str) -> bool:
    """Whether it may as well be an IPv4 address: `192.168.171.35` has the groups of a CPF."""
    groups = written.split(".")
    return len(groups) == 4 and all(group.isdigit() and int(group) < 256 for group in groups)  # noqa: PLR2004


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812-1, annex B."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004
    return total % 10 == 0


def written_as(text: str, separators: str) -> bool:
    """Whether it has its official form."""
    return "".join(character for character in text if not character.isalnum()) == separators


def believed(page: Page, kind: Kind, matched: re.Match[str], *, formatted: bool) -> bool:
    """Whether a number with right check digits is one of this kind.

    One of a hundred other numbers has right check digits too. So a number in its official form is one; any other
    is unless a word says that it is something else, or it is a piece of a longer identifier.
    """
    before, after = page.around(*matched.span())
    if formatted:
        return True
    hint = page.says(kind, *matched.span())
    if hint > 0:
        return True
    if hint < 0 or after.isalpha() or before in ("#", "%", "+"):
        return False
    if before.isalpha():
        # Glued to its own name, as in `cpf` and eleven digits without a space, the word was seen by `says`.
        return False
    return not joined(page, matched)


def joined(page: Page, matched: re.Match[str]) -> bool:
    """Whether it is a piece of an identifier, of a decimal number or of a UUID."""
    start, end = matched.span()
    left = LEFT_SEGMENT.search(page.text[max(0, start - 40) : start])
    if left and any(character.isdigit() for character in left[1]):
        return True
    if left and left[2] == "." and not left[1]:
        return True
    right = RIGHT_SEGMENT.match(page.text[end : end + 8])
    return bool(right) and verdict(page.policy.words["cpf"], parts(page.text[end : end + 8])) <= 0
