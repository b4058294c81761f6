"""Refuse what can only be a slip: a folder that nobody delivers from, a key with quotes around it.

Owns the values that have the right form and cannot be meant. Never looks at the machine beyond the
real names of folders, and never shows a secret. Called by `relations`.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from masv_watch.config.hosts import is_here
from masv_watch.config.origins import NOT_READ
from masv_watch.config.problems import printable
from masv_watch.config.reading import Path, Reading, above, is_path, real_path
from masv_watch.model import Secret

#: the kernel itself and its devices, of which nothing is ever sent
_KERNEL = ("/proc", "/sys", "/dev")
#: memory for plain files, though it lies among the devices
_SHARED = "/dev/shm"  # noqa: S108 - where files of anybody are, none is made there
#: folders of the system itself: whoever names one means a folder in it
_SYSTEM = frozenset(
    {"/", "/bin", "/boot", "/etc", "/home", "/lib", "/lib64", "/opt", "/root", "/run", "/sbin"}
    | {"/usr", "/var", "/var/lib"}
)
_VARIABLE = re.compile(r"\$\{?\w+\}?", re.ASCII)


def check(reading: Reading) -> None:
    """Note the faults and the warnings."""
    for at in reading.folders():
        _root(reading, (*at, "path"))
    _key(reading, ("masv", "api_key"))
    _address(reading, ("masv", "api_url"))


def _root(reading: Reading, at: Path) -> None:
    path = reading.get(*at)
    if not is_path(path):
        return
    real = real_path(path)
    places = {real, *above(real)}
    kernel = next((each for each in _KERNEL if each in places and _SHARED not in places), None)
    if kernel is not None:
        message = f"lies in {kernel}, of which nothing is ever sent - watch another folder"
        reading.fault(at, message)
    elif real in _SYSTEM or above(real)[:1] == ["/home"]:
        what = "a home" if above(real)[:1] == ["/home"] or real == "/root" else "the system's own"
        message = (
            f"{printable(real)} is {what}: all that lies in it would be sent, hidden files and keys"
            " too - watch a folder that is made for it, such as /srv/out"
        )
        reading.warn(at, message)


def _key(reading: Reading, at: Path) -> None:
    given = reading.get(*at)
    if not isinstance(given, Secret) or given.reveal() == NOT_READ:
        return
    text = given.reveal()
    where = f" ({given.origin})" if given.origin else ""
    if _VARIABLE.fullmatch(text):
        message = f"the key is the name of a variable{where} - write `!env NAME`, without a `$`"
    elif len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`":
        message = f"the key has quotes around it{where} - leave them out"
    elif text.startswith("Bearer "):
        message = f"the key begins with `Bearer`{where} - the key alone is wanted"
    elif any(char.isspace() for char in text) or not text.isascii():
        message = f"the key has a blank or a foreign letter in it{where} - the key alone is wanted"
    else:
        return
    reading.fault(at, message)


def _address(reading: Reading, at: Path) -> None:
    given = reading.get(*at)
    if not isinstance(given, str) or not given.startswith("http://"):
        return
    try:
        host = urlsplit(given).hostname or ""
    except ValueError:
        return
    if not is_here(host):
        message = "the API key and all files go out unencrypted - use https://"
        reading.warn(at, message)
