"""Whole numbers to typed Arrow columns, without a Python object per row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lab.simulate import schema

Integers = NDArray[np.int64]
_DIGITS_OFFSET = ord("0")


def decimals(units: Integers, kind: pa.DataType) -> pa.Array:
    """Decimals from whole units of their last place (1e-8 for `schema.AMOUNT`), exact."""
    words = np.empty((len(units), 2), dtype=np.int64)
    words[:, 0] = units
    words[:, 1] = units >> 63  # the sign fills the upper half of the 128 bits
    return pa.Array.from_buffers(kind, len(units), [None, pa.py_buffer(words)])


def instants(clock: Integers) -> pa.Array:
    """UTC timestamps from microseconds since 1970."""
    return pa.array(np.ascontiguousarray(clock, dtype=np.int64)).cast(schema.INSTANT)


def chosen(codes: NDArray[np.integer], names: Sequence[str | None]) -> pa.Array:
    """Text column from small whole codes into `names`."""
    return pa.array(list(names), type=pa.string()).take(
        pa.array(np.ascontiguousarray(codes, dtype=np.int64))
    )


def numbered(prefix: str, *parts: tuple[NDArray[np.integer], int]) -> pa.Array:
    """Keys like `q-00012-000345` from (numbers, digits) parts joined by a hyphen, fixed width."""
    rows = len(parts[0][0])
    columns: list[NDArray[np.uint8]] = [_constant(prefix, rows)]
    for position, (numbers, digits) in enumerate(parts):
        if position:
            columns.append(_constant("-", rows))
        rest = numbers.astype(np.int64)
        block = np.empty((rows, digits), dtype=np.uint8)
        for place in range(digits - 1, -1, -1):
            rest, digit = np.divmod(rest, 10)
            block[:, place] = digit + _DIGITS_OFFSET
        columns.append(block)
    return _fixed_width(np.concatenate(columns, axis=1))


def hexadecimal(words: NDArray[np.uint64]) -> pa.Array:
    """Text of 16 hexadecimal digits per word of a row: (n, 2) gives the 32 of a trace id."""
    octets = np.ascontiguousarray(words.astype(">u8")).view(np.uint8).reshape(len(words), -1)
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    text = np.empty((len(words), octets.shape[1] * 2), dtype=np.uint8)
    text[:, 0::2] = digits[octets >> 4]
    text[:, 1::2] = digits[octets & 15]
    return _fixed_width(text)


def random_hexadecimal(random: np.random.Generator, rows: int, words: int) -> pa.Array:
    """`rows` random identifiers of `words` times 16 hexadecimal digits."""
    return hexadecimal(random.integers(1, 2**64 - 1, size=(rows, words), dtype=np.uint64))


def _constant(text: str, rows: int) -> NDArray[np.uint8]:
    return np.tile(np.frombuffer(text.encode(), dtype=np.uint8), (rows, 1))


def _fixed_width(text: NDArray[np.uint8]) -> pa.Array:
    rows, width = text.shape
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    data = np.ascontiguousarray(text)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(data))
