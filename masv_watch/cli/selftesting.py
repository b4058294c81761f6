"""The command that tries out a folder's mount and says what masv-watch will do there.

Owns how the answers are printed, and that a Ctrl-C leaves nothing behind. Never probes and never
says what an answer means: `fitness` does. Called by the table of commands.
"""

from __future__ import annotations

import argparse
import json
import signal

from masv_watch.api.reports import fitness_body
from masv_watch.cli.endings import Ending
from masv_watch.cli.folders import target_of
from masv_watch.cli.outcomes import FAILED, OK
from masv_watch.cli.output import say
from masv_watch.fitness import try_out
from masv_watch.loops import SystemClock
from masv_watch.model import Probe
from masv_watch.names import shown

_LEFT = "nothing of the probes stays in the folder"


def selftest(options: argparse.Namespace) -> int:
    """Try out a folder and print each result with what masv-watch does because of it."""
    target = target_of(options.folder, options)
    ending = Ending()
    # a program that opens the probe's file while it is leased must not end this process
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    ending.listen()
    try:
        found = try_out(
            target.folder, target.rule, clock=SystemClock(), proceed=lambda: ending.check(_LEFT)
        )
    finally:
        ending.stop()
        signal.signal(signal.SIGIO, before)
    if options.json:
        say(json.dumps(fitness_body(found)))
    else:
        name = f" (hot folder {found.hot_folder})" if found.hot_folder else ""
        say(f"selftest of {shown(found.path)}{name} as user {found.user}")
        width = max(len(probe.test) for probe in found.probes)
        say(*(f"{each.state:<4}  {each.test:<{width}}  {_told(each)}" for each in found.probes))
    return FAILED if found.is_bad else OK


def _told(probe: Probe) -> str:
    return f"{probe.result} -> {probe.use}" if probe.use else probe.result
