"""E-mail, telephone, network address and names of people."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

import phonenumbers

from mbp.privacy.page import Hit, Page, parts, verdict

# The local part is what stands before the sign without a break (RFC 5321, without quoted forms).
EMAIL = re.compile(
    r"(?<![\w.+])(?:mailto:)?(?P<address>[\w][\w.!#$%&'*+=?^~-]{0,63} ?@ ?"
    r"(?P<domain>(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+(?P<top>[^\W\d_]{2,24})))(?![\w@])"
)
# Not a person's address: the user of a repository or of a shell on another machine (`git@host:path`).
REMOTE_PATH = re.compile(r":(?!\d)[\w~./-]*[\w]/|:[\w.-]+\.git\b|:(?:~|/)")
SCHEME = re.compile(r"(?:ssh|git|git\+ssh|git\+https|sftp|scp)://[^\s/]*$")
SHELL = re.compile(r"\b(?:ssh|sftp)(?: +-\S+(?: +[\w./~-]+)?){0,4} +$")

INTERNATIONAL = re.compile(
    r"[+0](?<![\w+.\-/].)(?:(?<=\+)|(?<=0)0) ?\d(?:[ .\-()]{0,2}\d){6,14}(?!\w)"
)
BRAZILIAN = re.compile(
    r"(?<![\w.\-+])(?:55[ -]?)?(?:\(0?\d{2}\) ?|0?\d{2}[ .-]?)(?:9[ .-]?\d{4}|[2-5]\d{3})[ .-]?\d{4}(?![\w])"
)
LOCAL = re.compile(r"9(?<![\w.\-+/].)\d{4}[ -]?\d{4}(?!\w|-\d)")
LOCAL_AREA = "11"
NATIONAL_DIGITS = 11

OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
IPV4 = re.compile(rf"(?=\d)(?<![\w.\-+])(?:{OCTET}\.){{3}}{OCTET}(?!\w|\.\d|-\w|\+)")
IPV6 = re.compile(
    r"[23](?<![\w:.].)[0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])"
)
SMALL_OCTET = 25
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
    if "@" not in page.text:
        return
    for found in EMAIL.finditer(page.text):
        address, domain, top = found["address"], found["domain"].lower(), found["top"].lower()
        start, end = found.span("address")
        local = address.partition("@")[0].rstrip()
        # "name @ host" is an address only where it says so; otherwise it is prose about a host.
        if " " in address and page.says("email", start, end) <= 0:
            continue
        if top in page.policy.no_domains or documented(domain, page.policy.documentation_domains):
            continue
        if (
            page.text[end : end + 1] == "("
            or local == "git"
            or ".." in local
            or local.endswith(".")
        ):
            continue
        line = page.text[max(0, page.text.rfind("\n", 0, start) + 1, start - 80) : start]
        if SCHEME.search(line) or SHELL.search(line):
            continue
        if REMOTE_PATH.match(page.text[end : end + 120]):
            continue
        yield Hit(start, end, "email", "e-mail", address.replace(" ", "").lower())


def documented(domain: str, reserved: frozenset[str]) -> bool:
    """Whether a domain, or one that it lies in, is reserved for documentation."""
    labels = domain.split(".")
    return any(".".join(labels[index:]) in reserved for index in range(len(labels)))


def phone(page: Page) -> Iterator[Hit]:
    """Numbers that a telephone network knows, by the plans that libphonenumber carries."""
    for found in INTERNATIONAL.finditer(page.text):
        written = found[0]
        number = "+" + re.sub(r"\D", "", written.removeprefix("00"))
        told = page.says("phone", *found.span())
        if written.startswith("00") and told <= 0:
            continue
        if told >= 0 and known(number):
            yield Hit(found.start(), found.end(), "phone", "telephone", number)
    for found in BRAZILIAN.finditer(page.text):
        written, digits = found[0], re.sub(r"\D", "", found[0])
        national = (
            digits[2:]
            if digits.startswith("55") and len(digits) > NATIONAL_DIGITS
            else digits.lstrip("0")
        )
        told = page.says("phone", *found.span())
        area_in_brackets = "(" in written
        mobile_in_groups = re.search(r"\d{2} 9 ?\d{4}[ -]\d{4}$", written) is not None
        clear = told > 0 or (told == 0 and (area_in_brackets or mobile_in_groups))
        if clear and known("+55" + national):
            yield Hit(found.start(), found.end(), "phone", "telephone", "+55" + national)
    for found in LOCAL.finditer(page.text):
        digits = re.sub(r"\D", "", found[0])
        if page.says("phone", *found.span()) > 0 and known(f"+55{LOCAL_AREA}{digits}"):
            yield Hit(found.start(), found.end(), "phone", "telephone", digits)


def known(number: str) -> bool:
    """Whether the numbering plans know it."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def ip(page: Page) -> Iterator[Hit]:
    """Addresses of the public internet. Private, loopback, link-local and documentation ranges name nobody."""
    for found in IPV4.finditer(page.text):
        if not reachable(found[0]):
            continue
        told = page.says("ip", *found.span())
        before = page.text[max(0, found.start() - 3) : found.start()]
        versioned = before.endswith(COMPARED) or PRODUCT.search(before)
        small = all(int(octet) <= SMALL_OCTET for octet in found[0].split("."))
        # 1.2.3.4 is more often a version than a host.
        if told > 0 or (told == 0 and not small and not versioned):
            yield Hit(found.start(), found.end(), "ip", "IPv4 address", found[0])
    for found in IPV6.finditer(page.text):
        if found[0].count(":") >= IPV6_GROUPS - 1 and reachable(found[0]):
            yield Hit(found.start(), found.end(), "ip", "IPv6 address", found[0].lower())


def reachable(address: str) -> bool:
    """Whether it is an address of the public internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_global and not parsed.is_multicast


def name(page: Page) -> Iterator[Hit]:
    """Names in the fields that the policy lists: `"nome": "..."`, `customer_name=...`, columns of that name."""
    fields = page.policy.name_fields
    for found in FIELD.finditer(page.text):
        field = found["field"].lower()
        if field not in fields or found["end"] in ("(", "["):
            continue
        words = found["name"].split()
        quoted = bool(found["quote"])
        # One bare word is as well a type or a constant.
        if len(words) >= 2 or (quoted and verdict(page.policy.words["name"], parts(field)) > 0):  # noqa: PLR2004
            yield Hit(*found.span("name"), "name", "name of a person", found["name"])
    yield from _names_in_columns(page)


def _names_in_columns(page: Page) -> Iterator[Hit]:
    fields = page.policy.name_fields
    if page.table is None or not any(column.lower() in fields for column in page.table.names):
        return
    for found in CELL_NAME.finditer(page.text):
        column = page.table.column(found.start())
        if column and column.lower() in fields:
            yield Hit(found.start(), found.end(), "name", "name of a person", found[0])
