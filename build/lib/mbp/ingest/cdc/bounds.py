"""How large a value of a foreign record may be before it is refused: checked before any work that grows with it.

No contracted column comes near these bounds; what is beyond them is an error of the writer, or an attack.
"""

from __future__ import annotations

from decimal import Decimal

# Characters of a number as text, digits of an exponent, and powers of ten of a scale.
NUMBER_CHARACTERS = 1000
EXPONENT_DIGITS = 3
SCALE = 1000
# Bytes of an unscaled number: more than 300 decimal digits.
NUMBER_BYTES = 128
# Bytes of one line of a file. The longest text that a column holds is far shorter.
RECORD_BYTES = 32 << 20
# This much of a longer line is kept, to recognise it.
KEPT_BYTES = 64 << 10
# A position in the log and a commit's time fit the columns that keep them: 63 bits, and the year 9999.
POSITION = (1 << 63) - 1
MILLISECONDS = 253_402_300_799_999


def plain_text(number: Decimal) -> str | None:
    """A finite number without an exponent; None: it would be absurdly long."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > SCALE:
        return None
    return format(number, "f")
