"""Find the configuration file to use.

Owns where it is looked for. Never reads it. Called by every command that needs one.

It stands alone because who looks for the file need not know how it is read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from masv_watch.config.problems import TOP, Problem
from masv_watch.errors import ConfigError


def find(explicit: str | None, environ: Mapping[str, str]) -> str:
    """Give the configuration file to use: the one named, else the first of the usual ones.

    Raises:
        ConfigError: none is there; the places looked at are named.
    """
    named = explicit or environ.get("MASV_WATCH_CONFIG")
    if named:
        return named
    usual = ("./masv-watch.yml", "/etc/masv-watch/masv-watch.yml")
    for path in usual:
        if os.path.lexists(path):
            return path
    looked = f"looked at -c, $MASV_WATCH_CONFIG, {' and '.join(usual)}"
    message = f"there is no configuration file ({looked}) - masv-watch config init writes one"
    problem = Problem(usual[0], TOP, "file", message)
    raise ConfigError((problem.line(),))
