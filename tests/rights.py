"""Root without its right to look everywhere, so that modes count for it as for any other user.

Owns that one right of the calling thread. Never changes who the process is: what it imports and
opens elsewhere stays as it was. Used where tests make folders unreadable; for a plain user it does
nothing.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

#: of capget(2): a version with two words for each set
_VERSION = 0x20080522
#: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, in the first word
_LOOKS_EVERYWHERE = 1 << 1 | 1 << 2


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Word(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


_Words = _Word * 2


@contextmanager
def bound_by_modes() -> Iterator[None]:
    """Have the modes of files and folders bind this thread, whoever it runs as."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, words = _Header(_VERSION, 0), _Words()
    _demand(libc.capget(ctypes.byref(header), words))
    before = words[0].effective
    words[0].effective = before & ~_LOOKS_EVERYWHERE
    _demand(libc.capset(ctypes.byref(header), words))
    try:
        yield
    finally:
        words[0].effective = before
        _demand(libc.capset(ctypes.byref(header), words))


def _demand(answer: int) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
