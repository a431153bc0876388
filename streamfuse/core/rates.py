"""Frame rates as people write them."""

from __future__ import annotations

import re
from fractions import Fraction

_PLAIN = re.compile(r"\d{1,9}(\.\d{1,9})?(/\d{1,9})?", re.ASCII)


def read_rate(text: str) -> Fraction:
    """Read `25`, `29.97` or `24000/1001`; nothing longer, as reading a number with a large exponent never ends.

    Raises:
        ValueError: it is no rate.

    Example:
        >>> read_rate("24000/1001")
        Fraction(24000, 1001)
    """
    if not _PLAIN.fullmatch(text):
        raise ValueError(text[:20])
    number, _, divisor = text.partition("/")
    if divisor and int(divisor) == 0:
        raise ValueError(text)
    return Fraction(number) / int(divisor or 1)
