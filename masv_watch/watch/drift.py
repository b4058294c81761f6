"""What of a file's identity the file system of a root does not keep, learned from our own marker.

Owns that lesson: the marker of a root is a file that nobody writes, so that what differs there from
one look to the next tells nothing of any file beside it. Never looks itself. Used by the gate.

The drops themselves prove nothing: a program that gives its file the full size and time first and
fills it then shows the same size and time, and another change time at every look.

Law 1. What changes now and then, as by a chmod or a backup, is kept: it takes another value at
       nearly every look.
Law 2. Size, modification time and device always count, whatever else drifts.
"""

from __future__ import annotations

from collections import deque

from masv_watch.files import Fields
from masv_watch.model import Identity

#: what may be left out
_FIELDS = ("inode", "ctime_ns")
_NAMES = {"inode": "inode", "ctime_ns": "change time"}
#: seconds between two looks that count: a client answers out of its memory for a while
LEAST_S = 5.0
#: steps from one look to the next of which so many must change for a field to be left out
STEPS, MOST_STEPS = 3, 4
#: steps without a change after which it counts again
STEADY_STEPS = 20


class Drift:
    """What the looks at one marker have shown; used by one thread."""

    def __init__(self) -> None:
        """Begin with a file system that keeps everything."""
        #: what is left out by now
        self.fields: Fields = frozenset()
        self._last: tuple[Identity, float] | None = None
        #: which fields changed at each of the last steps
        self._steps: deque[Fields] = deque(maxlen=STEADY_STEPS)

    def is_of(self, device: int) -> bool:
        """Say whether what is left out was learned on the file system of this number."""
        return self._last is not None and self._last[0].device == device

    def note(self, marker: Identity, now: float) -> Fields:
        """Take in one look at the marker, and give what is left out from now on."""
        last = self._last
        if last is None or _is_other(marker, last[0]):
            if last is not None and marker.device != last[0].device:
                # another file system may keep what this one did not
                self.fields = frozenset()
            self._steps.clear()
            self._last = marker, now
        elif now - last[1] >= LEAST_S:
            self._steps.append(
                frozenset(
                    name for name in _FIELDS if getattr(marker, name) != getattr(last[0], name)
                )
            )
            self.fields = unkept(self.fields, tuple(self._steps))
            self._last = marker, now
        return self.fields


def unkept(before: Fields, steps: tuple[Fields, ...]) -> Fields:
    """Say what is left out, by what was before and which fields changed at each of the steps."""
    newest = steps[-MOST_STEPS:]
    found = {name for name in _FIELDS if sum(name in step for step in newest) >= STEPS}
    is_long = len(steps) >= STEADY_STEPS
    staying = {name for name in before if not is_long or any(name in step for step in steps)}
    return frozenset(found | staying)


def named(fields: Fields) -> str:
    """Name what is left out for people; "" for nothing."""
    return " and ".join(_NAMES[name] for name in _FIELDS if name in fields)


def said(fields: Fields) -> str:
    """Say in a clause what is left out and why, and what is done for it; "" for nothing."""
    if not fields:
        return ""
    return f"without {named(fields)}, which the share does not keep; what goes is read twice"


def _is_other(marker: Identity, last: Identity) -> bool:
    """Say whether the marker was written anew, or is that of another file system."""
    return (marker.size, marker.mtime_ns, marker.device) != (last.size, last.mtime_ns, last.device)
