"""Every kind of file is opened or refused: what is in it is found, and what is not read is never clean."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from lab.corpora import random_values as draw
from mbp.core.errors import MbpError
from mbp.quality.privacy import containers, scanned_parts
from mbp.quality.privacy.privacy_policy import UNREAD, PrivacyPolicy
from mbp.quality.privacy.scan import scan_bytes, scan_file
from mbp.quality.privacy.scan_report import scan_paths

Wrap = Callable[[bytes], bytes]


def tarred(data: bytes, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo("log.txt")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zipped(data: bytes, name: str = "log.txt", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def table(data: bytes) -> pa.Table:
    return pa.table({"note": ["nothing", data.decode()], "n": [1, 2]})


def in_parquet(data: bytes) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table(data), buffer, compression="zstd")
    return buffer.getvalue()


def in_duckdb(folder: Path) -> Wrap:
    def wrap(data: bytes) -> bytes:
        path = folder / "w.duckdb"
        path.unlink(missing_ok=True)
        with duckdb.connect(str(path)) as connection:
            connection.execute(
                'create schema "s 1"; create table "s 1".t (note varchar, n integer)'
            )
            connection.execute('insert into "s 1".t values (?, 1)', [data.decode()])
        return path.read_bytes()

    return wrap


def office(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def in_document(data: bytes) -> bytes:
    """A word processor breaks a value into runs."""
    runs = "".join(f"<w:r><w:t>{one}</w:t></w:r>" for one in (data[:9].decode(), data[9:].decode()))
    return office({"word/document.xml": f"<w:document><w:p>{runs}</w:p></w:document>"})


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def picture(*chunks: bytes, behind: bytes = b"") -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"") + behind


OPENED: dict[str, Wrap] = {
    "gzip": gzip.compress,
    "two gzip members": lambda data: gzip.compress(b"nothing\n", mtime=0) + gzip.compress(data),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zlib": zlib.compress,
    "zlib, fast": lambda data: zlib.compress(data, 1),
    "behind gzip": lambda data: gzip.compress(b"nothing", mtime=0) + data,
    "behind bzip2": lambda data: bz2.compress(b"nothing") + data,
    "tar": tarred,
    "tgz": lambda data: tarred(data, "w:gz"),
    "tar.bz2": lambda data: tarred(data, "w:bz2"),
    "tar.xz": lambda data: tarred(data, "w:xz"),
    "behind tar": lambda data: tarred(b"nothing") + b"x" * 512 + data,
    "two tars": lambda data: tarred(b"nothing") + tarred(data),
    "zip": zipped,
    "zip, bzip2": lambda data: zipped(data, method=zipfile.ZIP_BZIP2),
    "zip, lzma": lambda data: zipped(data, method=zipfile.ZIP_LZMA),
    "zip behind text": lambda data: b"#!/bin/sh\n" + zipped(data),
    "text before zip": lambda data: data + zipped(b"nothing"),
    "zip in zip": lambda data: zipped(zipped(data)),
    "gz in tar in zip": lambda data: zipped(tarred(gzip.compress(data, mtime=0))),
    "parquet": in_parquet,
    "parquet in zip": lambda data: zipped(in_parquet(data)),
    "document": in_document,
    "utf-16": lambda data: data.decode().encode("utf-16"),
    "utf-16-be": lambda data: data.decode().encode("utf-16-be"),
    "utf-32": lambda data: data.decode().encode("utf-32"),
    "latin-1": lambda data: b"\xe9 " + data,
    "NUL before": lambda data: b"\0" * 64 + data,
    "NULs between": lambda data: data.replace(b" ", b"\0"),
    "NUL inside": lambda data: data[:6] + b"\0" + data[6:],
    "log with a NUL": lambda data: b"INFO started\n" * 9 + b"\0\n" + data,
    "separators of FIX": lambda data: b"8=FIX.4.4\x0135=D\x01" + data,
}


@pytest.mark.parametrize("kind", [*OPENED, "duckdb", "duckdb in zip"])
def test_what_is_in_a_file_is_found(
    kind: str, policy: PrivacyPolicy, random: Random, tmp_path: Path
) -> None:
    wraps = {
        **OPENED,
        "duckdb": in_duckdb(tmp_path),
        "duckdb in zip": lambda data: zipped(in_duckdb(tmp_path)(data)),
    }
    cpf = draw.cpf(random)
    secret = f"cpf {cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}"
    found = scan_file(wraps[kind](secret.encode()), "file", policy)
    assert {one.kind for one in found if one.kind != UNREAD} == {"cpf"}
    assert [one.what for one in found if one.kind == UNREAD] == []
    assert cpf not in repr(found)
    assert scan_file(wraps[kind](b"cpf unknown, order 17"), "file", policy) == []


@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: picture(chunk(b"tEXt", b"Author\0" + data)),
        lambda data: picture(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(data))),
        lambda data: picture(chunk(b"iTXt", b"XML\0\1\0\0\0" + zlib.compress(data))),
        lambda data: picture(chunk(b"eXIf", b"II*\0\x08\0\0\0" + data)),
        lambda data: picture(behind=data),
        lambda data: picture(behind=zipped(data)),
        lambda data: b"\xff\xd8\xff\xe1\0\x10Exif\0\0" + data,
        lambda data: b"%PDF-1.7\n" + data,
        lambda data: b"\x7fELF\x02\x01\x01" + bytes(range(64)) + data,
        lambda data: b"\x7fELF\x02\x01\x01" + bytes(range(64)) + data.decode().encode("utf-16-le"),
    ],
)
def test_of_a_closed_kind_the_readable_parts_are_read_and_the_rest_is_not_clean(
    wrap: Wrap, policy: PrivacyPolicy, random: Random
) -> None:
    email = draw.email(random).encode("ascii", "ignore").decode()
    found = scan_file(wrap(f"contact: {email} ".encode()), "file", policy)
    assert {one.kind for one in found} == {"email", UNREAD}
    assert [one.kind for one in scan_file(wrap(b"nothing"), "file", policy)] == [UNREAD]
    with pytest.raises(MbpError, match="was not scanned"):
        scan_bytes(wrap(b"nothing"), "file", policy)


def crowded() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(99):
            archive.writestr(f"{number}.txt", "x")
    return buffer.getvalue()


def noise(size: int) -> bytes:
    return Random(7).randbytes(size)  # noqa: S311 (no secret)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (noise(4096), "unknown kind"),
        (b"text " + noise(512), "unknown kind"),
        (b"\xcc\xdd\xee\xff" * 200 + b"\x01\x02\x03\x04" * 200, "unknown kind"),
        (b"\x37\x7f\x06\x82" + noise(128), "unknown kind"),
        (gzip.compress(noise(900), mtime=0), "unknown kind"),
        (zipped(noise(900)), "unknown kind"),
        (tarred(noise(900)), "unknown kind"),
        (b"SQLite format 3\0" + noise(2000), "SQLite is not opened"),
        (noise(8) + b"DUCK" + noise(2000), "DuckDB cannot read it"),
        (b"PAR1" + noise(900) + b"PAR1", "pyarrow cannot read it"),
        (b"PARE" + noise(90) + b"PARE", "Parquet is not opened"),
        (b"ARROW1\0\0" + noise(900), "Arrow is not opened"),
        (gzip.compress(b"text" * 99, mtime=0)[:-12], "truncated"),
        (bz2.compress(b"text" * 99)[:-9], "truncated"),
        (lzma.compress(b"text" * 99)[:-20], "truncated"),
        (b"\x28\xb5\x2f\xfd" + noise(30), "zstd is not opened"),
        (tarred(b"text" * 400)[:900], "cannot be read"),
        (b"7z\xbc\xaf\x27\x1c" + noise(30), "7z is not opened"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + noise(30), "Office document"),
        (b"GIF89a" + noise(30), "a picture is not opened"),
        (b"Obj\x01" + noise(30), "Avro is not opened"),
    ],
)
def test_what_cannot_be_read_says_so(data: bytes, why: str, policy: PrivacyPolicy) -> None:
    found = [one for one in scan_file(data, "file", policy) if one.kind == UNREAD]
    assert len(found) == 1
    assert why in found[0].what
    assert found[0].masked  # what to do about it


def test_a_locked_member_does_not_hide_the_others(policy: PrivacyPolicy, random: Random) -> None:
    cpf = draw.cpf(random)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", f"cpf {cpf}")
        archive.writestr("b.txt", "text")
    data = buffer.getvalue()
    at = data.rindex(b"PK\x01\x02") + 8
    locked = data[:at] + bytes([data[at] | 1]) + data[at + 1 :]
    assert sorted(one.kind for one in scan_file(locked, "file", policy)) == ["cpf", UNREAD]


def test_a_bomb_is_refused_in_bounded_memory(
    policy: PrivacyPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    bombs = {
        "gzip": gzip.compress(bytes(5_000_000)),
        "bzip2": bz2.compress(bytes(5_000_000)),
        "xz": lzma.compress(bytes(5_000_000)),
        "zip": zipped(bytes(5_000_000)),
        "tar.gz": tarred(bytes(5_000_000), "w:gz"),
        "many members": crowded(),
        "zip in zip": zipped(zipped(bytes(5_000_000))),
    }
    for kind, data in bombs.items():
        monkeypatch.setattr(containers, "Budget", lambda: scanned_parts.Budget(1_000_000, 50))
        found = [one for one in scan_file(data, "file", policy) if one.kind == UNREAD]
        assert found, kind
        assert "more than" in found[0].what, kind


def test_depth_is_limited(policy: PrivacyPolicy) -> None:
    data = b"text"
    for level in range(scanned_parts.DEEPEST + 1):
        assert scan_file(data, "file", policy) == [], level
        data = gzip.compress(data, mtime=0)
    (found,) = scan_file(data, "file", policy)
    assert "deeper than" in found.what


def test_the_name_of_a_column_counts_in_every_table(
    policy: PrivacyPolicy, random: Random, tmp_path: Path
) -> None:
    """A bare number under `order_id` is an order, and under `cpf` a CPF; a telephone needs its column."""
    cpf, (area, number) = draw.cpf(random), draw.mobile(random)
    for name, value, kinds in (
        ("order_id", cpf, []),
        ("cpf", cpf, ["cpf"]),
        ("telefone", area + number, ["phone"]),
        ("lote", area + number, []),
    ):
        path = tmp_path / f"{name}.duckdb"
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"create table t as select 1 as n, '{value}' as \"{name}\"")
        rows = pa.table({"n": [1], name: [value]})
        buffer = io.BytesIO()
        pq.write_table(rows, buffer)
        for data in (path.read_bytes(), buffer.getvalue()):
            assert [one.kind for one in scan_file(data, "file", policy)] == kinds, name


def test_a_scan_of_unread_files_exits_with_could_not_run_unless_it_is_allowed(
    project_root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(noise(900))
    report = scan_paths(project_root, "duckdb", [str(path)], b"")
    assert report.verdict == "not_measured"
    assert "unknown kind" in report.unseen[0]
    assert report.content()["unread"][0]["place"] == str(path)
    images = scan_paths(project_root, "duckdb", [str(project_root / "docs/images")], b"")
    assert (images.verdict, images.unseen) == ("pass", [])
    stdin = scan_paths(project_root, "duckdb", ["-"], gzip.compress(noise(900)))
    assert stdin.verdict == "not_measured"
