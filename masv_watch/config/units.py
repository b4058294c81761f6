"""Read and write durations, sizes and rates with their units.

Owns what `15s`, `100 MiB` and `200 Mbit/s` mean. Never guesses a unit: a bare number is refused in
words that say so. Called by the schema.
"""

from __future__ import annotations

import re
from fractions import Fraction

from masv_watch.config.problems import Wrong, listed, quoted

_SECONDS = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
#: bits a second; in the order in which they are listed
_RATES = {
    "kbit/s": 10**3,
    "Mbit/s": 10**6,
    "Gbit/s": 10**9,
    **{f"{unit}/s": 8 * size for unit, size in _BYTES.items() if unit not in {"TB", "TiB"}},
}
_RATE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]+(?:/[A-Za-z]+)?)", re.ASCII)
#: what people write for a unit of rate
_LIKE_RATE = re.compile(r"([kmg]?)(i?)(bits?|bytes?|b)(?:/s|/sec|/second|ps)?", re.IGNORECASE)
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]+)", re.ASCII)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?", re.ASCII)


def duration(text: str) -> float:
    """Read a duration such as `15s` as seconds.

    Raises:
        Wrong: it is no number with one of the units ms, s, m, h, d.
    """
    number, unit = _split(text, tuple(_SECONDS), "15s, 5m or 1h")
    return float(number * _SECONDS[unit])


def size(text: str) -> int:
    """Read a size such as `100 MiB` as bytes.

    Raises:
        Wrong: it is no number with a unit of bytes, or no whole number of bytes.
    """
    number, unit = _split(text, tuple(_BYTES), "100 MiB or 1 GB")
    amount = number * _BYTES[unit]
    if amount.denominator != 1:
        raise Wrong(f"{quoted(text)} is not a whole number of bytes")
    return int(amount)


def rate(text: str) -> int:
    """Read a rate such as `200 Mbit/s` as bytes a second, fractions of one left out.

    Raises:
        Wrong: it is no number with a unit of bits or bytes a second.
    """
    found = _RATE.fullmatch(text)
    if found is None:
        if _NUMBER.fullmatch(text):
            raise Wrong(bare(text, "200 Mbit/s"))
        raise Wrong(f"{quoted(text)} is not a number with a unit - for example 200 Mbit/s")
    if found[2] not in _RATES:
        meant = _rate_meant(found[2])
        hint = f" (did you mean {listed([f'`{found[1]} {unit}`' for unit in meant])}?)"
        raise Wrong(
            f"the unit {quoted(found[2])} is not known{hint if meant else ''} -"
            f" {listed(tuple(_RATES))}"
        )
    return int(Fraction(found[1]) * _RATES[found[2]] / 8)


def _rate_meant(unit: str) -> list[str]:
    """Guess units of rate: both of bits and bytes where a bare b may mean either."""
    found = _LIKE_RATE.fullmatch(unit)
    if found is None:
        return []
    prefix, binary, kind = found[1], found[2], found[3]
    size = {"": "", "k": "k", "m": "M", "g": "G"}[prefix.lower()]
    if binary:
        return [f"{size.upper()}iB/s"] if size else []
    are_bits = kind.lower().startswith("bit") or (kind == "b" and unit.lower().endswith("ps"))
    are_bytes = kind.lower().startswith("byte") or kind == "B"
    meant = [*([] if are_bytes else [f"{size}bit/s"]), *([] if are_bits else [f"{size}B/s"])]
    return [one for one in meant if one in _RATES]


def show_rate(amount: int) -> str:
    """Write bytes a second in bits, with the largest unit that leaves at least one."""
    bits = amount * 8
    unit = next((one for one in ("Gbit/s", "Mbit/s") if bits >= _RATES[one]), "kbit/s")
    return f"{bits / _RATES[unit]:.3f}".rstrip("0").rstrip(".") + f" {unit}"


def show_duration(seconds: float) -> str:
    """Write seconds with the largest unit that needs no fraction."""
    exact = Fraction(seconds).limit_denominator(1000)
    for unit in ("d", "h", "m", "s"):
        if exact and (exact / _SECONDS[unit]).denominator == 1:
            return f"{exact / _SECONDS[unit]}{unit}"
    return f"{int(exact * 1000)}ms" if exact else "0s"


def show_size(amount: int) -> str:
    """Write bytes with the unit that needs no fraction and the fewest digits."""
    units = ("TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "kB")
    exact = [unit for unit in units if amount and amount % _BYTES[unit] == 0]
    unit = min(exact, key=lambda one: amount // _BYTES[one], default="B")
    return f"{amount // _BYTES[unit]} {unit}"


def _split(text: str, units: tuple[str, ...], example: str) -> tuple[Fraction, str]:
    found = _AMOUNT.fullmatch(text)
    if found is None:
        if _NUMBER.fullmatch(text):
            raise Wrong(bare(text, example))
        raise Wrong(f"{quoted(text)} is not a number with a unit - for example {example}")
    if found[2] not in units:
        like = [unit for unit in units if unit.lower() == found[2].lower()]
        meant = f" (did you mean `{like[0]}`?)" if like else ""
        raise Wrong(f"the unit {quoted(found[2])} is not known{meant} - {listed(units)}")
    return Fraction(found[1]), found[2]


def bare(number: str, example: str) -> str:
    """Say that a number stands where a unit is needed."""
    return f"{number[:40]} has no unit - write it with one, for example {example}"
