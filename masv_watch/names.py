"""Write hostile names so that they can be shown and sent, and read the sent form back.

Owns the two escapes of the house: one for the eyes of people, one for names inside a package. Never
touches the disk and never decides what is sent. Called by whoever prints, logs or packs a name.

Law 1. A name is bytes; both escapes are pure functions of those bytes.
Law 2. Two different names are never shown or sent alike; what is sent can be read back exactly.
Law 3. Neither form holds a control character or a lone surrogate.
"""

from __future__ import annotations

import re
import shlex
import unicodedata

#: what `sent_name` writes in place of bytes that may not travel
_SENT_ESCAPE = re.compile(r"%([0-9A-F]{2})")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
#: a cloud or a person that unpacks could take these two for folders
_DOTS = (b".", b"..")


def shown(path: bytes) -> str:
    """Write a name or path for people, on one line and without tricks.

    What is printable stays, spaces of every kind included. Control characters, line separators,
    direction and zero-width characters and bytes that are not UTF-8 become backslash escapes; a
    backslash is doubled.
    """
    text = path.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_shown_character(character) for character in text)


def quoted(path: bytes) -> str:
    """Write a name or path as one word that a shell reads back exactly, on one line.

    Where a plain form would not do it is bash's and zsh's `$'...'`.
    """
    text = path.decode("utf-8", "surrogateescape")
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(_shell_character(character) for character in text) + "'"


def _shell_character(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    # as bytes: a digit that follows an escape of fewer places would be read with it
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def sent_name(name: bytes) -> str:
    """Write one name for a package: UTF-8, and `%XX` for every byte that may not travel.

    Escaped are bytes that are not UTF-8, control characters (category Cc: C0, DEL and C1), `\\`
    and `%`, the dots of the two names `.` and `..`, and the last of two dots at the end, because
    the cloud takes every `../` out of a path ([docs-chars]). All else stays as it is: line and
    paragraph separators (U+2028, U+2029), direction marks, spaces at the end, either normal form.
    `unsent_name` gives the bytes back.

    Raises:
        ValueError: for an empty name or one with a slash, which no file can have.
    """
    if not name or b"/" in name:
        raise ValueError("a name is not empty and has no slash")
    if name in _DOTS:
        return "%2E" * len(name)
    climbs = name.endswith(b"..")
    text = name[: -1 if climbs else None].decode("utf-8", "surrogateescape")
    return "".join(_sent_character(character) for character in text) + ("%2E" if climbs else "")


def sent_path(path: bytes) -> str:
    """Write a relative path for a package, each of its names by `sent_name`; "" stays ""."""
    return "/".join(sent_name(name) for name in path.split(b"/")) if path else ""


def unsent_name(name: str) -> bytes:
    """Read back the bytes that `sent_name` wrote.

    Raises:
        ValueError: for text that `sent_name` never writes.
    """
    parts = _SENT_ESCAPE.split(name)
    if any("%" in plain for plain in parts[::2]):
        raise ValueError("a `%` is followed by two capital hexadecimal digits")
    read = b"".join(
        bytes.fromhex(part) if index % 2 else part.encode() for index, part in enumerate(parts)
    )
    if not read or sent_name(read) != name:
        raise ValueError("not a name that was written by sent_name")
    return read


def _shown_character(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _sent_character(character: str) -> str:
    if character not in "\\%" and unicodedata.category(character) not in ("Cc", "Cs"):
        return character
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
