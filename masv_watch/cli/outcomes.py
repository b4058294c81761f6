"""How a command can end: its exit statuses and the failures that lead to them.

Owns the numbers that scripts rely on and the words that `--help` has for them. Never prints. Raised
by every command, turned into a status by `table.main`.
"""

from __future__ import annotations

from collections.abc import Sequence

from masv_watch.errors import CannotListen, ConfigError, MasvWatchError, StoreError

OK, FAILED, USAGE, STATE, UNREACHABLE, NO_LISTEN = range(6)

STATUSES = """\
exit status:
  0  done, or stopped cleanly
  1  what was asked for failed
  2  wrong usage or configuration
  3  the state cannot be used, or another masv-watch holds it
  4  the daemon cannot be reached
  5  the daemon cannot listen at its address"""


class Ended(Exception):
    """A command cannot go on; the text is one line: what, why, what to do."""

    status = FAILED


class WrongUsage(Ended):
    """The command line or its environment cannot be used as given."""

    status = USAGE


class DaemonUnreachable(Ended):
    """No daemon answers where it was looked for."""

    status = UNREACHABLE


class AnswerLost(DaemonUnreachable):
    """The daemon broke off: what was asked for may be done all the same."""


class Refused(Ended):
    """The daemon said no, in its own words."""

    def __init__(self, said: str, *, answered: int, code: int) -> None:
        """Keep what is printed, the HTTP status and the published code."""
        super().__init__(said)
        #: the HTTP status
        self.answered = answered
        #: the code that the API's documentation lists; 0 when there was none
        self.code = code


_STATUS_OF: tuple[tuple[type[MasvWatchError], int], ...] = (
    (ConfigError, USAGE),
    (StoreError, STATE),
    (CannotListen, NO_LISTEN),
)


def status_of(error: Ended | MasvWatchError) -> int:
    """Give the exit status of a failure."""
    if isinstance(error, Ended):
        return error.status
    for kind, status in _STATUS_OF:
        if isinstance(error, kind):
            return status
    return FAILED


def lines_of(error: Ended | MasvWatchError) -> Sequence[str]:
    """Give what is printed of a failure: one line, or one for each mistake of a configuration."""
    if isinstance(error, ConfigError):
        return error.problems
    return (f"masv-watch: {error}",)
