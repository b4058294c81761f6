"""The commands that do their work in this process: run and check.

Owns the set-up of the process around the daemon, and how a check's findings are printed. Never
calls the API. Called by the table of commands.

It stands alone because it brings the whole daemon along, which no other command has a need of.
"""

from __future__ import annotations

import argparse
import json
import os
import signal

from masv_watch import logs
from masv_watch.check import examine
from masv_watch.cli.outcomes import OK, USAGE
from masv_watch.cli.output import complain, say
from masv_watch.config.load import Loaded, as_records, find, load
from masv_watch.daemon import Daemon
from masv_watch.errors import ConfigError


def run(options: argparse.Namespace) -> int:
    """Be the daemon until a signal ends it, or until what is there is delivered."""
    path, loaded = _loaded(options)
    in_journal = "JOURNAL_STREAM" in os.environ
    logs.set_up(secrets=loaded.secrets, form="journal" if in_journal else "text")
    complain(*loaded.warnings)
    # a lease of another program must never end this one
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    # a reload asked for before the start is through changes nothing
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    daemon = Daemon(loaded, path=path, environ=os.environ)
    return daemon.run_once() if options.once else daemon.run()


def check(options: argparse.Namespace) -> int:
    """Look for mistakes in the configuration and in the world that it names."""
    try:
        path, loaded = _loaded(options)
    except ConfigError as error:
        if not options.json:
            raise
        say(json.dumps({"problems": as_records(error.problems), "warnings": [], "ok": []}))
        return USAGE
    found = examine(
        loaded,
        file=path,
        probe=not options.no_probe,
        network=not options.no_network,
        environ=os.environ,
    )
    if options.json:
        warnings, problems = as_records(found.warnings), as_records(found.problems)
        say(json.dumps({"problems": problems, "warnings": warnings, "ok": list(found.ok)}))
    else:
        complain(*found.problems, *found.warnings)
        say(*found.ok)
    return USAGE if found.problems else OK


def _loaded(options: argparse.Namespace) -> tuple[str, Loaded]:
    path = find(options.config, os.environ)
    return path, load(path, environ=os.environ)
