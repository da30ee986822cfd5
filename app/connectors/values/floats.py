"""Binary floats of 32 bits, which Python holds as doubles."""

from __future__ import annotations

import struct


def shortest_single(number: float) -> float:
    """The double whose digits are those that the single `number` was written with: 0.1, not 0.10000000149011612.

    Raises:
        OverflowError: a single cannot hold it.
    """
    return float(single_text(number))


def single_text(number: float) -> str:
    """The shortest digits that stand for the single nearest to `number`."""
    packed = struct.pack("f", number)
    (single,) = struct.unpack("f", packed)
    texts = (f"{single:.{digits}g}" for digits in range(6, 10))
    return next((text for text in texts if struct.pack("f", float(text)) == packed), repr(single))


def lowest_as_single(number: float) -> float:
    """`number`, or the single nearest to it if that is less: what a column of singles compares as.

    Databases compare the single 0.7, which is 0.699999988, with the double 0.7 as two doubles.
    """
    try:
        single: float = struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return number
    return min(number, single)
