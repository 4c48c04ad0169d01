"""E-mail, telephone, network address and names of people."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

import phonenumbers

from mbp.quality.privacy.text_around import Hit, Page, parts, verdict

# The local part is what comes before the sign without a break (RFC 5321, without quoted forms).
EMAIL = re.compile(
    r"(?<![\w.+])(?:mailto:)?(?P<address>[\w][\w.!#$%&'*+=?^~-]{0,63} ?@ ?"
    r"(?P<domain>(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+(?P<top>[^\W\d_]{2,24})))(?![\w@])"
)
# Not a person's address: the user of a repository or of a shell on another machine (`git@host:path`).
REMOTE_PATH = re.compile(r":(?!\d)[\w~./-]*[\w]/|:[\w.-]+\.git\b|:(?:~|/)")
SCHEME = re.compile(r"(?:ssh|git|git\+ssh|git\+https|sftp|scp)://[^\s/]*$")
SHELL = re.compile(r"\b(?:ssh|sftp)(?: +-\S+(?: +[\w./~-]+)?){0,4} +$")

INTERNATIONAL = re.compile(
    r"[+0](?<![\w+.\-/].)(?:(?<=\+)|(?<=0)0) ?\d(?:[ .\-()/]{0,3}\d){6,14}(?!\w)"
)
# Country, trunk prefix (0, 0xx, 0 and the code of a carrier), area, number; each part with what may separate it.
BRAZILIAN = re.compile(
    r"(?=[+(\[\d])(?<![\w.\-+/])(?P<country>\(?(?:\+|00)?55\)?[ .\-/]{0,3})?"
    r"(?P<area>\(?0[ -]?(?:[xX]{2}|\d\d(?=[ .\-/)(]))?[ .\-)]{0,2}\(?\d{2}\)?|\(\d{2}\)|\[\d{2}\]|\d{2})"
    r"(?P<gap>[ .\-/]{0,3})"
    r"(?P<number>9[ .\-]{0,2}\d{4}[ .\-]{0,3}\d{4}|9\d{2}[ .\-]\d{3}[ .\-]\d{3}|[2-5]\d{3}[ .\-]{0,3}\d{4})"
    r"(?!\w|-\d|\.\d)"
)
# Seven digits and more in any groups, behind a word that says telephone.
PHONE_CHAIN = re.compile(
    r"[+(]?\d(?<!\d\d)(?:(?:[ .\-/_()xX]{0,3}\d){7,13}|(?:,\d(?!\d)){7,12})(?!\w)"
)
MOBILE_APART = re.compile(r"9[ .\-]{0,2}\d{4}[ .\-]{1,3}\d{4}|9\d\d[ .\-]\d{3}[ .\-]\d{3}")
DECIMALS = re.compile(r"[.,]\d{1,2}(?!\d)")
YEARS = re.compile(r"(?:19|20)\d\d.{0,3}(?:19|20)\d\d")
LOCAL_AREA = "11"
AREA_DIGITS, MOBILE_DIGITS, LANDLINE_DIGITS = 2, 9, 8

OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
OCTETS = rf"(?:{OCTET}\.){{3}}{OCTET}"
# With zeros in front (`203.000.113.009`), and with a dash to the next one of a range.
IPV4 = re.compile(
    rf"(?=\d)(?<![\w.+])(?<!\w-)(?:{OCTETS}|0?(?:\d{{3}}\.){{3}}\d{{3}})(?!\w|\.\d|-(?!{OCTETS}\b)\w|\+)"
)
IPV6 = re.compile(
    r"[23](?<![\w:.].)[0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])"
)
SMALL_OCTET, SMALLEST_PLAIN, LARGEST_MINOR = 25, 10, 100
IPV6_GROUPS = 3
COMPARED = ("==", "~=", ">=", "<=", "!=", "^", "~")
PRODUCT = re.compile(r"[A-Za-z)]/$")

FIELD = re.compile(
    r"(?<![A-Za-z])(?P<field>[A-Za-z][A-Za-z_]{2,30})\\?[\"']?\s{0,2}(?:=>|[:=])\s{0,2}(?P<quote>\\?[\"']?)"
    r"(?P<name>[A-ZÀ-Ý][A-Za-zÀ-ÿ'\u2019.-]*(?: (?:d[aeo]s?|e|van|von|[A-ZÀ-Ý][A-Za-zÀ-ÿ'\u2019.-]*)){0,6})(?P<end>.?)"
)
CELL_NAME = re.compile(
    r"[A-ZÀ-Ý][a-zà-ÿ'\u2019.-]+(?: (?:d[aeo]s?|e|[A-ZÀ-Ý][A-Za-zà-ÿ'\u2019.-]*)){1,6}"
)


def email(page: Page) -> Iterator[Hit]:
    """Addresses of people; not those of documentation (RFC 2606), of shells and of repositories."""
    for matched in page.in_lines(EMAIL, ("@",)):
        address, domain, top = matched["address"], matched["domain"].lower(), matched["top"].lower()
        start, end = matched.span("address")
        local = address.partition("@")[0].rstrip()
        # "name @ host" is an address only where it says so; otherwise it is prose about a host.
        if " " in address and page.says("email", start, end) <= 0:
            continue
        if top in page.policy.email.no_domains or documented(
            domain, page.policy.email.documentation_domains
        ):
            continue
        if (
            page.text[end : end + 1] == "("
            or local == "git"
            or ".." in local
            or local.endswith(".")
        ):
            continue
        line = page.before(start, 80)
        if SCHEME.search(line) or SHELL.search(line):
            continue
        if REMOTE_PATH.match(page.text[end : end + 120]):
            continue
        yield Hit(start, end, "email", "e-mail", address.replace(" ", "").lower())


def documented(domain: str, reserved: frozenset[str]) -> bool:
    """Whether a domain, or one that contains it, is reserved for documentation."""
    labels = domain.split(".")
    return any(".".join(labels[index:]) in reserved for index in range(len(labels)))


def phone(page: Page) -> Iterator[Hit]:
    """Numbers that a telephone network knows, by the plans that libphonenumber carries."""
    for matched in INTERNATIONAL.finditer(page.text):
        written = matched[0]
        number = "+" + re.sub(r"\D", "", written.removeprefix("00"))
        hint = page.says("phone", *matched.span())
        if written.startswith("00") and hint <= 0:
            continue
        if hint >= 0 and known(number):
            yield Hit(matched.start(), matched.end(), "phone", "telephone", number)
    for matched in BRAZILIAN.finditer(page.text):
        area = re.sub(r"\D", "", matched["area"])[-AREA_DIGITS:]
        number = "+55" + area + re.sub(r"\D", "", matched["number"])
        if "0" in area:  # no area code of the plan of Brazil has a zero in it
            continue
        hint = page.says("phone", *matched.span())
        if (hint > 0 or (hint == 0 and clear(page, matched))) and known(number):
            yield Hit(matched.start(), matched.end(), "phone", "telephone", number)
    for matched in page.named("phone", PHONE_CHAIN):
        digits = re.sub(r"\D", "", matched[0])
        for number in filter(known, readings(digits, "+" in matched[0])):
            yield Hit(matched.start(), matched.end(), "phone", "telephone", number)
            break


def clear(page: Page, matched: re.Match[str]) -> bool:
    """Whether a number that no word names is written as only telephones are."""
    area, number = matched["area"], matched["number"]
    if "(" in area or "[" in area or "x" in area.lower():
        return True
    if "+" in (matched["country"] or ""):
        return True
    grouped = matched["gap"] in (" ", "-", " - ")
    if MOBILE_APART.fullmatch(number):
        return grouped
    if number.isdigit():
        # Digits alone are a mobile where nothing calls them anything else.
        whole = matched[0].isdigit() and not DECIMALS.match(page.text, matched.end())
        return whole and len(number) == MOBILE_DIGITS and page.unnamed(matched.start())
    return matched["gap"] == " " and number[4] == "-" and not YEARS.fullmatch(number)


def readings(digits: str, international: bool) -> Iterator[str]:
    """What dialled digits may mean: with country, with trunk prefix and carrier, with area, or a local number."""
    if international:
        yield f"+{digits}"
        return
    bare = digits.removeprefix("00")
    if bare.startswith("55"):
        yield f"+{bare}"
        yield f"+55{bare[2:].lstrip('0')}"
    national = digits.lstrip("0")
    yield f"+55{national}"
    if digits.startswith("0"):
        yield f"+55{national[AREA_DIGITS:]}"
    if len(digits) in (LANDLINE_DIGITS, MOBILE_DIGITS):
        yield f"+55{LOCAL_AREA}{digits}"
    if digits.startswith("00"):
        yield f"+{bare}"


def known(number: str) -> bool:
    """Whether the numbering plans know it."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def ip(page: Page) -> Iterator[Hit]:
    """Addresses of the public internet. Private, loopback, link-local and documentation ranges identify no person."""
    for matched in IPV4.finditer(page.text):
        address = ".".join(str(int(octet)) for octet in matched[0].split("."))
        if not reachable(address):
            continue
        hint = page.says("ip", *matched.span())
        before = page.text[max(0, matched.start() - 3) : matched.start()]
        versioned = before.endswith(COMPARED) or PRODUCT.search(before)
        octets = [int(octet) for octet in matched[0].split(".")]
        # 1.2.3.4 and 6.28.1.0 are more often versions than hosts; four of two digits are not.
        small = max(octets) <= SMALL_OCTET and min(octets) < SMALLEST_PLAIN
        small = small or (octets[0] < SMALLEST_PLAIN and max(octets) < LARGEST_MINOR)
        if hint > 0 or (hint == 0 and not small and not versioned):
            yield Hit(matched.start(), matched.end(), "ip", "IPv4 address", address)
    for matched in IPV6.finditer(page.text):
        if matched[0].count(":") >= IPV6_GROUPS - 1 and reachable(matched[0]):
            yield Hit(matched.start(), matched.end(), "ip", "IPv6 address", matched[0].lower())


def reachable(address: str) -> bool:
    """Whether it is an address of the public internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_global and not parsed.is_multicast


def name(page: Page) -> Iterator[Hit]:
    """Names in the fields that the policy lists: `"nome": "..."`, `customer_name=...`, columns of that name."""
    fields = page.policy.names.fields
    for matched in FIELD.finditer(page.text):
        field = matched["field"].lower()
        if field not in fields or matched["end"] in ("(", "["):
            continue
        words = matched["name"].split()
        quoted = bool(matched["quote"])
        # One bare word is as well a type or a constant.
        if len(words) >= 2 or (quoted and verdict(page.policy.words["name"], parts(field)) > 0):  # noqa: PLR2004
            yield Hit(*matched.span("name"), "name", "name of a person", matched["name"])
    yield from _names_in_columns(page)


def _names_in_columns(page: Page) -> Iterator[Hit]:
    fields = page.policy.names.fields
    if page.table is None or not any(column.lower() in fields for column in page.table.names):
        return
    for matched in CELL_NAME.finditer(page.text):
        column = page.table.column(matched.start())
        if column and column.lower() in fields:
            yield Hit(matched.start(), matched.end(), "name", "name of a person", matched[0])
