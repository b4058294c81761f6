"""The commands that fit systemd's unit to a configuration.

Owns where the drop-in goes, what is said beside it, and the look at what hot folders lie on. Never
decides what is opened and calls no daemon. Called by the table of commands.

It stands alone because it is the one command that writes for another program.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from masv_watch import files
from masv_watch.cli.outcomes import FAILED, OK, Ended
from masv_watch.cli.output import complain, say
from masv_watch.cli.standing import carries_marker
from masv_watch.config.dropins import GIVEN, dropin, needs_of, unfit
from masv_watch.config.load import find, load
from masv_watch.model import Settings
from masv_watch.names import shown

_NAME = "paths.conf"


def paths(options: argparse.Namespace) -> int:
    """Print the drop-in for a configuration's paths, or write it into a folder of drop-ins.

    Raises:
        ConfigError: the configuration cannot be used.
        Ended: the drop-in cannot be written.
    """
    file = find(options.config, os.environ)
    # a file that names no state gets the one that the unit gives
    environ = {**os.environ, "STATE_DIRECTORY": os.fsdecode(GIVEN[0])}
    settings = load(file, environ=environ, with_secrets=False).settings
    needs = needs_of(settings)
    left_out = unfit(needs)
    complain(
        *(
            f"masv-watch: no unit can hold {shown(path)} - give it a name of printable UTF-8"
            for path in left_out
        )
    )
    text = dropin(needs, source=os.path.abspath(file), guarded=_guarded(settings))
    written = None if options.write is None else _write(Path(options.write), text)
    if options.json:
        names = [shown(path) for path in left_out]
        file_name = None if written is None else shown(os.fsencode(written))
        say(json.dumps({"dropin": text, "written": file_name, "left_out": names}))
    elif written is None:
        say(text.rstrip("\n"))
    else:
        say(f"{written} is written; now run: systemctl daemon-reload; systemctl restart masv-watch")
    return FAILED if left_out else OK


def _guarded(settings: Settings) -> dict[bytes, bytes]:
    """Give the hot folders that are told from a bare mount point, each with that point."""
    found = {}
    for rule in settings.hot_folders:
        point = files.mount_point(rule.path)
        if point not in (None, b"/") and (rule.expect.filesystems or carries_marker(rule)):
            found[rule.path] = point
    return found


def _write(folder: Path, text: str) -> Path:
    target, beside = folder / _NAME, folder / f".{_NAME}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, "utf-8")
        beside.chmod(0o644)
        beside.replace(target)
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise Ended(
            f"{shown(os.fsencode(target))} cannot be written ({why}) - run it as root, or name"
            f" another folder"
        ) from error
    return target
