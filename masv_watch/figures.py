"""Numbers as people read them, with what they count.

Owns their form, one for all that is shown, logged or mailed. Never knows what is counted.
"""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: `1 file`, `2,000 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
