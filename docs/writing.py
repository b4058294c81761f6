"""How a fact of the code becomes reStructuredText.

Owns escaping and the form of an entry. Never knows a fact. Used by the chapters of the reference.
"""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """Write text that reStructuredText takes for text, with `words` as literals."""
    pieces = re.split(r"``?([^`]+)``?", " ".join(text.split()))
    return "".join(
        literal(piece) if index % 2 else re.sub(r"([\\*|_`<])", r"\\\1", piece)
        for index, piece in enumerate(pieces)
    ).strip()


def literal(text: str) -> str:
    """Write text as a literal."""
    return f"``{text}``" if text.strip() else ""


def sentence(text: str) -> str:
    """Begin with a capital and end with a stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def section(title: str, mark: str) -> list[str]:
    """Give a heading."""
    return ["", title, mark * len(title), ""]


def entry(head: str, *body: str, options: tuple[str, ...] = ()) -> list[str]:
    """Give one object of a list with what is said of it."""
    told = [line for text in body if text for line in ("", f"   {text}")]
    return ["", f".. {head}", *(f"   {option}" for option in options), *told, ""]
