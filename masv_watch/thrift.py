"""Keep small what a process holds while it rests.

Owns the settings of the two allocators that a daemon lives on: Python's collector and the C
library's heaps. Never knows what is held. Called by `daemon` at its start.

It stands alone because both belong to the process and to no room.
"""

from __future__ import annotations

import ctypes
import gc

#: allocations between two looks of the garbage collector, and how many looks make a deeper one
GARBAGE = (10_000, 20, 50)
#: heaps that all threads share; by default there are eight for each core, and what the first sweeps
#: of all hot folders leave free in each of them stays there
HEAPS = 2
_ARENA_MAX = -8


def share_heaps() -> None:
    """Have all threads share few heaps of the C library, before there are threads.

    Where the library is another than the GNU one, nothing happens.
    """
    known = getattr(ctypes.CDLL(None), "gnu_get_libc_version", None)
    if known is not None:
        ctypes.CDLL(None).mallopt(_ARENA_MAX, HEAPS)


def calm_collector() -> None:
    """Keep the garbage collector from looking at what lives as long as the process.

    A list of a thousand uploads makes it look at everything, which keeps every thread waiting.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
