"""Start the sandbox cloud from the command line and say when it serves.

Owns the flags, the data folder, the start and the end. Never answers a request. Called by
`masv-watch sandbox` and `python -m masv_watch.sandbox`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from masv_watch.sandbox.cloud import Cloud, build_app, plant
from masv_watch.sandbox.depot import Depot, Habits
from masv_watch.sandbox.desk import Desk
from masv_watch.sandbox.faults import Faults
from masv_watch.sandbox.mailbox import Mailbox
from masv_watch.sandbox.packages import Packages
from masv_watch.sandbox.pages import Pages
from masv_watch.sandbox.records import Records
from masv_watch.sandbox.server import Front
from masv_watch.sandbox.traffic import Traffic
from masv_watch.sandbox.witness import Witness

_STATE_UNUSABLE = 3
_CANNOT_LISTEN = 5
_ENDING = {signal.SIGTERM, signal.SIGINT}


class CannotStart(Exception):
    """The sandbox cannot serve; carries the exit status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Running:
    """A sandbox that serves."""

    api: str
    smtp: str
    team: str


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT and answer the exit status."""
    logging.basicConfig(level=logging.WARNING, format="sandbox: %(levelname)s %(message)s")
    try:
        options = parser().parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    # Blocked before any thread is born, and waited for: a handler that set an event could run while
    # this very thread holds the event's lock, and then neither would ever go on.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        with contextlib.ExitStack() as stack:
            running = stack.enter_context(_serving(_folder(options.data, stack), options))
            ready = f"sandbox ready: api={running.api} smtp={running.smtp} team={running.team}\n"
            sys.stdout.write(ready)
            sys.stdout.flush()
            signal.sigwait(_ENDING)
    except CannotStart as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return error.status
    finally:
        while signal.sigpending() & _ENDING:
            # Asked twice to end is ended once.
            signal.sigwait(_ENDING)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 0


def parser() -> argparse.ArgumentParser:
    """Build its command line."""
    flags = _OneLineParser(
        prog="masv-watch sandbox",
        description="Serve an embedded stand-in for MASV's cloud.",
        epilog="It knows team acme, API key sandbox-key, portal dailies, and portal vault, whose"
        " access code is open-sesame. masv.api_url of a configuration leads to it.",
    )
    flags.add_argument(
        "--listen", type=_address, default="127.0.0.1:8081", metavar="HOST:PORT",
        help="where it is the cloud; default: 127.0.0.1:8081, port 0 picks a free one",
    )  # fmt: skip
    flags.add_argument(
        "--smtp", type=_address, default="127.0.0.1:8025", metavar="HOST:PORT",
        help="where it takes mail; default: 127.0.0.1:8025",
    )  # fmt: skip
    flags.add_argument(
        "--data", type=Path, metavar="DIR", help="default: a temporary folder, removed at exit"
    )
    flags.add_argument(
        "--url-lifetime", type=_seconds, default=900.0, metavar="SECONDS", help="default: 900"
    )
    flags.add_argument(
        "--token-lifetime",
        type=_seconds,
        default=7 * 86400.0,
        metavar="SECONDS",
        help="default: 7 days",
    )
    flags.add_argument("--no-md5", action="store_true", help="ETags that are no MD5")
    flags.add_argument("--discard", action="store_true", help="keep no bytes (benchmarks)")
    return flags


class _OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> None:  # type: ignore[override]  # typed NoReturn, and it is
        """Say what is wrong and leave with 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        message = f"{text!r} is not HOST:PORT"
        raise argparse.ArgumentTypeError(message)
    return host.strip("[]"), int(port)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 10**9:
        message = f"{text!r} is not a number of seconds"
        raise argparse.ArgumentTypeError(message)
    return value


def _folder(data: Path | None, stack: contextlib.ExitStack) -> Path:
    """Make the data folder ours alone.

    Raises:
        CannotStart: it cannot be made, or another sandbox holds it.
    """
    if data is None:
        return Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="masv-sandbox-", ignore_cleanup_errors=True)
            )
        )
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        stack.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotStart(_STATE_UNUSABLE, f"{data} is held by another sandbox") from None
    except OSError as error:
        message = f"{data} cannot be used: {error.strerror}"
        raise CannotStart(_STATE_UNUSABLE, message) from error
    return data


def _opened(folder: Path, options: argparse.Namespace) -> tuple[Records, Traffic, Depot]:
    habits = Habits(md5=not options.no_md5, discard=options.discard)
    try:
        records = Records(folder / "state.jsonl")
        plant(records)
        depot = Depot(records, folder / "objects", habits, options.url_lifetime)
        return records, Traffic(folder / "requests.jsonl"), depot
    except OSError as error:
        message = f"{folder} cannot be used: {error.strerror}"
        raise CannotStart(_STATE_UNUSABLE, message) from error
    except (ValueError, TypeError, KeyError) as error:
        raise CannotStart(_STATE_UNUSABLE, f"{folder} holds no sandbox state") from error


@contextlib.contextmanager
def _serving(folder: Path, options: argparse.Namespace) -> Iterator[Running]:
    """Build everything once, serve, and take it down at the end."""
    listener = _bound(options.smtp)
    records, traffic, depot = _opened(folder, options)
    faults = Faults()
    try:
        front = Front(options.listen, depot, traffic, faults)
    except OSError as error:
        raise _unbound(options.listen, error) from error
    api = f"http://{_shown(front.socket)}"
    desk = Desk(records, options.token_lifetime, api)
    packages = Packages(desk, depot)
    rooms = (Cloud(desk), packages, Pages(desk, depot), Witness(desk, traffic, faults))
    front.packages = packages
    front.app = build_app([route for room in rooms for route in room.routes()])
    mailbox = Mailbox(listener, records, faults)
    mailbox.start()
    thread = threading.Thread(
        target=front.serve_forever, kwargs={"poll_interval": 0.1}, name="front", daemon=True
    )
    thread.start()
    try:
        yield Running(api, _shown(listener), desk.seed.team_id)
    finally:
        faults.clear()
        front.shutdown()
        front.server_close()
        mailbox.stop()
        # The journals stay open: a request still in flight may yet be answered, and kept.


def _bound(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        return socket.create_server(address, family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise _unbound(address, error) from error


def _unbound(address: tuple[str, int], error: BaseException) -> CannotStart:
    reason = getattr(error, "strerror", None) or str(error)
    return CannotStart(_CANNOT_LISTEN, f"cannot listen on {address[0]}:{address[1]}: {reason}")


def _shown(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


if __name__ == "__main__":
    sys.exit(main())
