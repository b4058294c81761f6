"""More notifications than the kernel keeps, while nobody reads them.

Owns the flood and how the reader is kept from reading. Never waits for what follows. Used by tests
of what is lost then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from masv_watch.watch.hints import Hints

#: events that the reader may have taken in before it is kept
_READ = 5000


@contextmanager
def flooded(hints: Hints, hot: Path) -> Iterator[None]:
    """Keep the one reader of all hot folders, overflow its queue, and let it read on at the end.

    What is done meanwhile is told to nobody.
    """
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    pair = [os.fspath(hot / name) for name in ("flood", "flooded")]
    reader = getattr(hints._observer, "_inotify_fd", None)
    assert reader is not None
    with reader._lock:
        for _ in range((limit + _READ) // 2 + 1):
            # two in a row about one file would be one event
            for path in pair:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
        for path in pair:
            os.unlink(path)
        yield
