"""Whether this machine's clock agrees with the cloud's.

Owns the comparison of an answer's Date with the moment at which it came. Never sets or corrects a
clock. Used by `check`: windows, deadlines and certificates go by this machine's time.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from masv_watch.cloud import wire
from masv_watch.cloud.calls import Call, Line
from masv_watch.cloud.nearness import Nearness
from masv_watch.cloud.refusals import Answer
from masv_watch.cloud.streams import Body

#: seconds by which clocks may differ before anybody is told
AGREED_S = 300.0


class TimedLine:
    """A line that notes by how much this machine's clock is ahead of the cloud's."""

    def __init__(self, line: Line) -> None:
        """Hand every request on."""
        self._line = line
        #: seconds; None before the cloud said what time it is
        self.ahead_s: float | None = None

    @property
    def nearness(self) -> Nearness:
        """Say how near the cloud is."""
        return self._line.nearness

    def ask(self, call: Call) -> Answer:
        """Make a control call and give its good answer."""
        answer = self._line.ask(call)
        date = answer.headers.get("Date")
        if date is not None:
            self.ahead_s = ahead(date, answer.at)
        return answer

    def storage(
        self, blueprint: wire.Blueprint, body: Body | None = None, *, doing: str = "sending a chunk"
    ) -> Answer:
        """Send exactly what a blueprint says, and give the good answer."""
        return self._line.storage(blueprint, body, doing=doing)

    def close(self) -> None:
        """Close every idle connection."""
        self._line.close()


def ahead(date: str, at: float) -> float | None:
    """Give the seconds by which a wall clock that shows `at` is ahead of a Date; None: no date."""
    try:
        return at - parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def disagreement(ahead_s: float | None) -> str:
    """Say that this machine's clock is wrong, and what helps; "" while nothing says so."""
    if ahead_s is None or abs(ahead_s) <= AGREED_S:
        return ""
    way = "ahead of" if ahead_s > 0 else "behind"
    return (
        f"this machine's clock is {_shown(abs(ahead_s))} {way} the cloud's: windows and"
        " certificates go by it - set it, as with timedatectl set-ntp true"
    )


def _shown(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:.0f} minutes"
