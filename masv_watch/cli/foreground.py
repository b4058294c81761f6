"""The command that is the daemon: run.

Owns the set-up of the process around it. Never calls the API. Called by the table of commands.

It stands alone because it brings the whole daemon along, which no other command has a need of.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal

from masv_watch import logs
from masv_watch.cli.output import complain
from masv_watch.config import apart
from masv_watch.config.finding import find
from masv_watch.config.handover import Loaded
from masv_watch.daemon import Daemon
from masv_watch.errors import StoreFull
from masv_watch.loops import Bell, Heart, SystemClock

log = logging.getLogger(__name__)

#: seconds between two looks whether the disk of the state has room
ROOM_S = 2.0


def run(options: argparse.Namespace) -> int:
    """Be the daemon until a signal ends it, or until what is there is delivered."""
    path = find(options.config, os.environ)
    loaded = apart.load(path, environ=os.environ)
    logs.set_up(secrets=loaded.secrets, form=logs.form_for(options.log, os.environ))
    complain(*loaded.warnings)
    # a lease of another program must never end this one
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    # a reload asked for before the start is through changes nothing
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if options.once:
        return Daemon(loaded, path=path, environ=os.environ).run_once()
    return _built(loaded, path).run()


def _built(loaded: Loaded, path: str) -> Daemon:
    """Give the daemon, once the disk of its state has room for its first writes (fault 38).

    A unit that fails again and again stays down for good; whoever frees space would have to know.
    """
    clock = SystemClock()
    heart, is_told = Heart(clock=clock), False
    while True:
        try:
            return Daemon(loaded, path=path, environ=os.environ)
        except StoreFull as error:
            if not is_told:
                log.error(
                    "the start waits for room for the state",
                    extra={"code": error.code, "reason": error.message, "cure": error.hint},
                )
                heart.status(f"waiting for room: {error}")
                is_told = True
        Bell().wait(ROOM_S)
