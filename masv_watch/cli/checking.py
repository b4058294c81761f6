"""The command that looks for mistakes before the daemon does: check.

Owns how its findings are printed. Never calls the API. Called by the table of commands.

It stands alone because it brings along what reads a configuration, which the daemon spares itself.
"""

from __future__ import annotations

import argparse
import json
import os

from masv_watch.api.reports import inspection_body
from masv_watch.check import examine
from masv_watch.cli.outcomes import OK, USAGE
from masv_watch.cli.output import complain, say
from masv_watch.config.confinement import is_confined
from masv_watch.config.finding import find
from masv_watch.config.load import load
from masv_watch.errors import ConfigError
from masv_watch.model import Inspection


def check(options: argparse.Namespace) -> int:
    """Look for mistakes in the configuration and in the world that it names."""
    try:
        path = find(options.config, os.environ)
        loaded = load(path, environ=os.environ, is_outside=not is_confined(os.environ))
    except ConfigError as error:
        if not options.json:
            raise
        say(json.dumps(inspection_body(Inspection(problems=error.problems))))
        return USAGE
    found = examine(
        loaded,
        file=path,
        probe=not options.no_probe,
        network=not options.no_network,
        environ=os.environ,
    )
    if options.json:
        say(json.dumps(inspection_body(found)))
    else:
        complain(*found.problems, *found.warnings)
        say(*found.ok)
    return USAGE if found.problems else OK
