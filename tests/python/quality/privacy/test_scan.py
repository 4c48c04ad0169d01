"""What is found where, what is not, and that nothing is ever shown."""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
from random import Random
from typing import Any

import pytest

from lab.corpora import random_values as draw
from lab.corpora.traps import TRAPS
from mbp.core.errors import MbpError
from mbp.quality.privacy import scan
from mbp.quality.privacy.privacy_policy import PrivacyPolicy
from mbp.quality.privacy.scan import scan_bytes, scan_lines, scan_members, scan_text


def shape(cpf: str) -> str:
    return f"{cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}"


def kinds(text: str, policy: PrivacyPolicy, place: str = "text") -> list[str]:
    return [one.kind for one in scan_text(text, place, policy)]


CPF_LINES = (
    "CPF n\N{MASCULINE ORDINAL INDICATOR} {bare}",
    "user_{bare}_foto.jpg",
    "/clientes/{bare}/extrato",
    "?doc={bare}&id=1",
    "cpf%3D{bare}",
    "cpf\\n{bare}",
    "id: {bare}, n",
    "cpf do pedido: {bare}",
    "order 55 customer document {bare}",
    "trace 84f017549f28468233be9d7073a83d09 value={shaped}",
    "\N{RIGHT-TO-LEFT OVERRIDE}{shaped}",
    "CPF{bare}",
    "000{bare} cpf",
)


@pytest.mark.parametrize("line", CPF_LINES)
def test_a_cpf_is_found(line: str, random: Random, policy: PrivacyPolicy) -> None:
    bare = draw.cpf(random)
    assert kinds(line.format(bare=bare, shaped=shape(bare)), policy) == ["cpf"]


NOT_CPF_LINES = (
    "pedido {bare} faturado",
    '{{"orderId": {bare}}}',
    "ord-0000-{bare} filled",
    "price 0.{bare}",
    "{bare}.50",
    "9f{bare}ab",
    "uuid a1b2c3d4-0000-4000-8000-1{bare}",
    "id,order_id\n1,{bare}",
)


@pytest.mark.parametrize("line", NOT_CPF_LINES)
def test_a_number_that_is_called_something_else_is_none(
    line: str, random: Random, policy: PrivacyPolicy
) -> None:
    assert kinds(line.format(bare=draw.cpf(random)), policy, "numbers.csv") == []


@pytest.mark.parametrize("digit", range(10))
def test_equal_digits_are_no_cpf(digit: int, policy: PrivacyPolicy) -> None:
    assert kinds(f"cpf {str(digit) * 11} {shape(str(digit) * 11)}", policy) == []


def test_every_trap_is_drawn_differently(policy: PrivacyPolicy) -> None:
    """Numbers with right check digits among them; none may be taken for what it is not."""
    told = {
        line
        for seed in range(3)
        for trap in TRAPS
        if kinds(line := trap(Random(seed)), policy, "x.csv" if "\n" in line else "x")  # noqa: S311
    }
    assert len(told) <= 3 * len(TRAPS) * 0.02  # by chance one of a hundred has right check digits


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("email", "{email}:aberta"),
        ("email", "login by {email} failed over ssh"),
        ("email", "https://loja7.net/u/{email}/edit"),
        ("phone", "https://wa.me/5511{mobile}"),
        ("phone", "tel:+55-11-{mobile}"),
        ("ip", "http://{ip}:8080/"),
        ("ip", "client {ip6} connected"),
        ("ip", "ip,n\n{small},1"),
        ("pix_key", "chave aleatoria pix {uuid}"),
        ("access_token", "curl -H 'X-Api-Key: {hexadecimal}'"),
        ("access_token", "https://u:{password}@loja7.net/"),
        ("access_token", "Authorization: Basic {basic}"),
        ("name", '"nome": "{person}"'),
        ("name", "id,titular\n1,{person}"),
    ],
)
def test_the_other_kinds(kind: str, line: str, random: Random, policy: PrivacyPolicy) -> None:
    values = {
        "email": draw.email(random).lower(),
        "mobile": draw.mobile(random)[1],
        "ip": draw.public_ipv4(random),
        "ip6": draw.public_ipv6(random),
        "small": ".".join(map(str, range(5, 9))),
        "uuid": draw.uuid(random),
        "hexadecimal": f"{random.getrandbits(128):032x}",
        "password": draw.password(random),
        "basic": base64.b64encode(f"ana:{draw.password(random)}".encode()).decode(),
        "person": "Ana da Silva",
    }
    assert kinds(line.format(**values), policy, "x.csv") == [kind]


def test_place_line_column_and_nothing_of_the_value(random: Random, policy: PrivacyPolicy) -> None:
    cpf, address = draw.cpf(random), "ana.abreu@" + "correio.com.br"
    text = f"one\ntwo é\u200b {shape(cpf)}\n\n{address}"
    first, second = scan_text(text, "log.txt", policy)
    assert (first.place, first.line, first.column) == ("log.txt", 2, 8)
    assert (second.line, second.column) == (4, 1)
    again = scan_text(f"cpf={cpf}", "other", policy)[0]
    assert again.digest == first.digest  # however it is spelled
    assert len(first.digest) == 5
    for told in (str(first), repr(first), str(second), repr(scan.hits(text, "x", policy))):
        assert cpf not in told
        assert shape(cpf) not in told
        assert "abreu" not in told
        assert "correio" not in told


def test_a_crash_does_not_show_the_text(
    random: Random, policy: PrivacyPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpf = draw.cpf(random)

    def crash(page: Any) -> Any:
        raise ValueError(page.text)

    monkeypatch.setitem(scan.DETECTORS, "cpf", crash)
    with pytest.raises(MbpError, match="the detector of cpf failed with ValueError") as caught:
        scan_text(f"cpf {cpf}", "log.txt", policy)
    assert cpf not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def zipped(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: data,
        lambda data: data.decode().encode("utf-16"),
        lambda data: data.decode().encode("utf-16-le"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: b"\xe9 " + data,
        lambda data: b"\x7fELF\x00\x01" + data + b"\x00",
        gzip.compress,
        lambda data: zipped("inner.txt", gzip.compress(data)),
        lambda data: data.decode().encode("utf-32"),
    ],
)
def test_bytes_of_any_wrapping(wrap: Any, random: Random, policy: PrivacyPolicy) -> None:
    data = f"cpf {shape(draw.cpf(random))}\n".encode()
    assert [one.kind for one in scan_bytes(wrap(data), "member", policy)] == ["cpf"]


def test_what_cannot_be_unpacked_is_refused(policy: PrivacyPolicy) -> None:
    with pytest.raises(MbpError, match="was not scanned"):
        scan_bytes(zipped("a", b"text")[:-30], "broken.zip", policy)
    nested = b"text"
    for _ in range(5):
        nested = gzip.compress(nested)
    with pytest.raises(MbpError, match="deeper than 3 archives"):
        scan_bytes(nested, "deep.gz", policy)


@pytest.mark.parametrize(
    "data",
    [
        b"PAR1....",
        b"%PDF-1.7\n",
        b"........DUCK",
    ],
)
def test_what_hides_its_text_was_not_looked_at(data: bytes, policy: PrivacyPolicy) -> None:
    with pytest.raises(MbpError, match="was not scanned"):
        scan_bytes(data, "file", policy)


def test_nothing_hides_in_the_frame_of_a_zip(random: Random, policy: PrivacyPolicy) -> None:
    email = draw.email(random)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", f"contact: {email}\n" * 20)
    assert scan_bytes(b"#!/bin/sh\n" + buffer.getvalue(), "behind a program", policy)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{email}.d/a.txt", "nothing")
    assert scan_bytes(buffer.getvalue(), "in a name", policy)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "nothing")
        archive.comment = f"contact: {email}".encode()
    assert scan_bytes(buffer.getvalue(), "in the comment", policy)


def test_a_broken_archive_is_refused_and_never_a_crash(
    random: Random, policy: PrivacyPolicy
) -> None:
    buffers = []
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("a.txt", "text of a file " * 9)
        buffers.append(buffer.getvalue())
    refused = 0
    for number in range(600):
        data = bytearray(buffers[number % len(buffers)])
        data[random.randrange(4, len(data))] = random.randrange(256)
        try:
            scan_bytes(bytes(data), "broken.zip", policy)
        except MbpError:
            refused += 1
    assert refused


def test_members_have_names_and_are_there(random: Random, policy: PrivacyPolicy) -> None:
    cpf = draw.cpf(random)
    found = scan_members([(f"cpf_{cpf}.txt", b"nothing"), ("a.json", b"{}")], policy)
    assert [(one.kind, one.place) for one in found] == [("cpf", "name of member 1")]
    with pytest.raises(MbpError, match="nothing was scanned"):
        scan_members([], policy)


def test_values_of_a_column_are_told_by_row(random: Random, policy: PrivacyPolicy) -> None:
    cpf = draw.cpf(random)
    values = [("…aaaa", "order\naccepted"), ("…bbbb", f"seen {cpf}")]
    (found,) = scan_lines(values, "raw.t.body", "body", policy)
    assert (found.place, found.line) == ("raw.t.body row …bbbb", 0)
    assert scan_lines([("…aaaa", cpf)], "raw.t.order_id", "order_id", policy) == []
