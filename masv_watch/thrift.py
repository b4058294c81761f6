"""Keep small what a process holds while it rests.

Owns the settings of the two allocators that a daemon lives on: Python's collector and the C
library's heaps. Never knows what is held. Called by `daemon` at its start.

It stands alone because both belong to the process and to no room.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

#: allocations between two looks of the garbage collector, and how many looks make a deeper one
GARBAGE = (10_000, 20, 50)
#: heaps that all threads share; by default there are eight for each core, and what the first sweeps
#: of all hot folders leave free in each of them stays there
HEAPS = 2
_ARENA_MAX = -8
#: bytes by which what is held must have changed, before what is free is given back once more
CHANGED = 1 << 20
#: bytes that may be free and kept: what comes next takes them again
SPARE = 2 << 20
#: seconds between two looks at what is free: each walks over the heaps
LOOK_S = 60.0


class _Held(ctypes.Structure):
    """What the C library tells of its heaps: `struct mallinfo2`."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
            "fordblks", "keepcost",
        )
    )  # fmt: skip


def share_heaps() -> None:
    """Have all threads share few heaps of the C library, before there are threads.

    Where the library is another than the GNU one, nothing happens.
    """
    known = getattr(ctypes.CDLL(None), "gnu_get_libc_version", None)
    if known is not None:
        ctypes.CDLL(None).mallopt(_ARENA_MAX, HEAPS)


class Heaps:
    """The heaps of the C library, and what of them nobody needs any more; one thread tends them.

    What a rush took lies in pieces between what stays, and the library gives only its end back: by
    itself a daemon stays as large as its largest minute, and grows as pieces fit ever less.
    """

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        """Begin with nothing given back; where the library is another one, nothing ever is."""
        self._monotonic = monotonic
        self._look_at = monotonic()
        library = ctypes.CDLL(None)
        self._trim: Callable[[int], int] | None = getattr(library, "malloc_trim", None)
        self._look = getattr(library, "mallinfo2", None)
        if self._look is not None:
            self._look.restype = _Held
        self._held_then = 0

    def tend(self) -> bool:
        """Give free memory back where there is some that was freed lately; say whether it was.

        Looks once in LOOK_S, however often it is called.
        """
        now = self._monotonic()
        if self._look is None or self._trim is None or now < self._look_at:
            return False
        self._look_at = now + LOOK_S
        seen = self._look()
        # pages that were given back still count as free: what is held tells whether more came
        if seen.fordblks < SPARE or abs(seen.uordblks - self._held_then) < CHANGED:
            return False
        self._held_then = seen.uordblks
        self._trim(0)
        return True


def calm_collector() -> None:
    """Keep the garbage collector from looking at what lives as long as the process.

    A list of a thousand uploads makes it look at everything, which keeps every thread waiting.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
