"""The two streams of a command, and the person who may sit in front of them.

Owns how lines get out, whether a terminal can show tables, and the question before something is
deleted. Never forms a line. Called by every command.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from masv_watch.cli.outcomes import FAILED

if TYPE_CHECKING:
    from masv_watch.cli.screens import Screen

#: terminals that understand no codes, and the one that does not say what it is
_PLAIN_TERMINALS = frozenset({"dumb", "unknown", ""})


def prepare() -> None:
    """Let no name that the terminal cannot show end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(*lines: str) -> None:
    """Print lines; when nobody can take them any more, end the command without a traceback."""
    if lines:
        with taken():
            print("\n".join(lines), flush=True)


def complain(*lines: str) -> None:
    """Print lines for people beside the output; a closed stream loses them."""
    with contextlib.suppress(OSError):
        for line in lines:
            print(line, file=sys.stderr)


def is_terminal() -> bool:
    """Say whether a person sees the output."""
    return sys.stdout is not None and sys.stdout.isatty()


def is_asked() -> bool:
    """Say whether a person can be asked: he sees the question and his answer is read."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def agrees(question: str) -> bool:
    """Ask for a yes; anything else, and the end of the input, is a no."""
    complain(f"{question} [y/N]")
    try:
        answer = sys.stdin.readline()
    except (OSError, UnicodeDecodeError):
        return False
    return answer.strip().lower() in {"y", "yes"}


def answer(question: str) -> str:
    """Ask for a line; the end of the input is an empty one."""
    complain(question)
    try:
        return sys.stdin.readline()
    except (OSError, UnicodeDecodeError):
        return ""


@contextlib.contextmanager
def keys() -> Iterator[Callable[[], str]]:
    """Give what reads the keys that were pressed meanwhile, each without Enter; "" for none."""
    if sys.stdin is None or not sys.stdin.isatty():
        yield lambda: ""
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)

    def pressed() -> str:
        is_ready = bool(select.select([number], [], [], 0)[0])
        return os.read(number, 64).decode("utf-8", "replace") if is_ready else ""

    tty.setcbreak(number)
    try:
        yield pressed
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def screen() -> Screen | None:
    """Give what draws tables, or None where plain lines are wanted: pipes and plain terminals."""
    if not is_terminal() or os.environ.get("TERM", "").lower() in _PLAIN_TERMINALS:
        return None
    # the daemon and pipes need no drawing, and it costs 50 ms and 5 MiB to have it at hand
    from masv_watch.cli.screens import Screen  # noqa: PLC0415

    return Screen()


@contextlib.contextmanager
def taken() -> Iterator[None]:
    """End the command without a traceback when nobody can take what is printed within."""
    try:
        yield
    except OSError as error:
        # closed here, for the interpreter would try once more at its end, and complain
        with contextlib.suppress(OSError):
            sys.stdout.close()
        if not isinstance(error, BrokenPipeError):
            complain(f"masv-watch: the output cannot be written: {error.strerror}")
        raise SystemExit(FAILED) from error
