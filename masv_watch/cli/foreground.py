"""The command that is the daemon: run.

Owns the set-up of the process around it. Never calls the API. Called by the table of commands.

It stands alone because it brings the whole daemon along, which no other command has a need of.
"""

from __future__ import annotations

import argparse
import os
import signal

from masv_watch import logs
from masv_watch.cli.output import complain
from masv_watch.config import apart
from masv_watch.config.finding import find
from masv_watch.daemon import Daemon


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
    daemon = Daemon(loaded, path=path, environ=os.environ)
    return daemon.run_once() if options.once else daemon.run()
