"""The scanner: text, files and members of an archive, in memory. What it finds is reported without its value.

Covered spellings: digits of any script, invisible characters, any space or dash, percent-encoding,
JSON and Python escapes, HTML entities, base64 and hexadecimal, two levels deep. Not covered: look-alike letters.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from mbp.core.errors import MbpError
from mbp.quality.privacy import contacts, credentials, numbers
from mbp.quality.privacy.containers import read_parts
from mbp.quality.privacy.normal import View, query_string, tokens, views
from mbp.quality.privacy.privacy_policy import KINDS, UNREAD, PrivacyPolicy
from mbp.quality.privacy.scanned_parts import SensitiveValue, described
from mbp.quality.privacy.text_around import BEFORE_CHARACTERS, CsvTable, Hit, Page, Table, csv_table

DETECTORS: dict[str, Callable[[Page], Iterator[Hit]]] = {
    "access_token": credentials.access_token,
    "pix_key": credentials.pix_key,
    "card": numbers.card,
    "cnpj": numbers.cnpj,
    "cpf": numbers.cpf,
    "email": contacts.email,
    "phone": contacts.phone,
    "ip": contacts.ip,
    "name": contacts.name,
}
# Base64 of base64, hexadecimal of base64: that deep, each level with its escapes.
NUMBER_KINDS = frozenset({"cpf", "cnpj", "card", "phone"})
ENCODINGS = 2


def scan_text(
    text: str, place: str, policy: PrivacyPolicy, *, table: Table | None = None
) -> list[SensitiveValue]:
    """Everything personal or secret in a text, in the order of the text.

    Args:
        place: what findings name; a name that ends in .csv makes the text a table with a header.

    Raises:
        MbpError: a detector crashed; the message does not hold the text.
    """
    sensitive_values = hits(text, place, policy, table=table)
    ends = (
        [-1, *(matched.start() for matched in re.finditer("\n", text))] if sensitive_values else []
    )
    findings = []
    line = 0
    for hit in sensitive_values:
        while line + 1 < len(ends) and ends[line + 1] < hit.start:
            line += 1
        findings.append(
            described(hit.kind, hit.what, place, hit.value, line + 1, hit.start - ends[line])
        )
    return findings


def hits(text: str, place: str, policy: PrivacyPolicy, *, table: Table | None = None) -> list[Hit]:
    """The findings of `scan_text`, with spans in `text`; of two that overlap the first in `KINDS` stays.

    Raises:
        MbpError: a detector crashed; the message does not hold the text.
    """
    starts: list[int] = []
    kept: list[Hit] = []
    for hit in sorted(
        _every_hit(text, place, policy, table),
        key=lambda hit: (KINDS.index(hit.kind), hit.start - hit.end, hit.start),
    ):
        # Those that are kept do not overlap: only the neighbours can.
        index = bisect_left(starts, hit.start)
        before_ends = index == 0 or kept[index - 1].end <= hit.start
        if before_ends and (index == len(kept) or hit.end <= kept[index].start):
            starts.insert(index, hit.start)
            kept.insert(index, hit)
    return kept


def scan_lines(
    values: Sequence[tuple[str, str]], place: str, column: str, policy: PrivacyPolicy
) -> list[SensitiveValue]:
    """Values of a column of a table, each with the mark of its row."""
    text = "\n".join(re.sub(r"[\r\n]", " ", value) for _, value in values)
    return [
        replace(found, place=f"{place} row {values[found.line - 1][0]}", line=0, column=0)
        for found in scan_text(text, place, policy, table=Table(column))
    ]


def scan_file(data: bytes, place: str, policy: PrivacyPolicy) -> list[SensitiveValue]:
    """A file in memory and all that is in it; what was not read is a finding of the kind `unread`."""
    findings: list[SensitiveValue] = []
    for part in read_parts(data, place):
        if isinstance(part, SensitiveValue):
            findings.append(part)
            continue
        sensitive_values = scan_text(part.text, part.place, policy, table=part.table)
        if part.repeats:
            known = {
                (finding.kind, finding.digest)
                for finding in findings
                if finding.place == part.place
            }
            sensitive_values = [
                sensitive_value
                for sensitive_value in sensitive_values
                if (sensitive_value.kind, sensitive_value.digest) not in known
            ]
        findings += sensitive_values
    return findings


def scan_bytes(data: bytes, place: str, policy: PrivacyPolicy) -> list[SensitiveValue]:
    """As `scan_file`, for a caller that accepts nothing unread: what was found, or the refusal.

    Raises:
        MbpError: nothing was found, but something was not read: an unknown kind, a damaged or encrypted archive, or
            it unpacks to too much.
    """
    findings = scan_file(data, place, policy)
    sensitive_values = [finding for finding in findings if finding.kind != UNREAD]
    if findings and not sensitive_values:
        sensitive_value = findings[0]
        raise MbpError(
            f"was not scanned: {sensitive_value.what}",
            path=sensitive_value.place,
            fix=sensitive_value.masked,
        )
    return sensitive_values


def scan_members(
    members: Iterable[tuple[str, bytes]], policy: PrivacyPolicy
) -> list[SensitiveValue]:
    """Files in memory, by name.

    Raises:
        MbpError: there is none, or one cannot be scanned.
    """
    findings: list[SensitiveValue] = []
    count = 0
    for name, data in members:
        count += 1
        findings += scan_text(name, f"name of member {count}", policy)
        findings += scan_bytes(data, name, policy)
    if not count:
        raise MbpError("nothing was scanned: there are no members", fix="build the pack again")
    return findings


def _every_hit(
    text: str, place: str, policy: PrivacyPolicy, table: Table | None, depth: int = ENCODINGS
) -> Iterator[Hit]:
    """Hits of the text, of the values of its query strings, and of the tokens that encode other text."""
    layers = views(text)
    plain = layers[-1].text if layers else text
    if table is None and place.endswith((".csv", ".tsv")):
        table = csv_table(plain)
    elif isinstance(table, CsvTable):
        table = CsvTable(plain, list(table.names), table.delimiter)
    page = Page(plain, policy, table)
    for hit in _detected(page, place):
        # Two numbers side by side are no document with a comma in it.
        apart = isinstance(table, CsvTable) and table.cell(hit.start) != table.cell(hit.end - 1)
        if not (apart and hit.kind in NUMBER_KINDS):
            yield _back(hit, layers)
    other = query_string(plain) if depth else None
    if other:
        for hit in _every_hit(other.text, "", policy, None, depth - 1):
            yield _back(hit, [*layers, other])
    for token in tokens(plain) if depth else ():
        # The text before it says what it is: `Authorization: Basic`, `cpf=`.
        before = page.before(token.start, BEFORE_CHARACTERS)
        for hit in _every_hit(f"{before} {token.text}", "", policy, None, depth - 1):
            if hit.start > len(before):
                what = hit.what if " in " in hit.what else f"{hit.what} in {token.encoding}"
                whole = Hit(token.start, token.end, hit.kind, what, hit.value)
                yield _back(whole, layers)


def _back(hit: Hit, layers: Sequence[View]) -> Hit:
    """The hit with its place in the original."""
    start, end = hit.start, hit.end
    for layer in reversed(layers):
        start, end = layer.original(start, end)
    return Hit(start, end, hit.kind, hit.what, hit.value)


def _detected(page: Page, place: str) -> Iterator[Hit]:
    for kind, detector in DETECTORS.items():
        try:
            yield from detector(page)
        except MbpError:
            raise
        except Exception as error:
            # The error may quote what it choked on.
            raise MbpError(
                f"the detector of {kind} failed with {type(error).__name__}: the file was not scanned",
                path=place,
                fix="check that file by hand, and report what it failed on",
            ) from None
