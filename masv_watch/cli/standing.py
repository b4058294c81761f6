"""Whether a hot folder's root is the one that it was, before a command writes into it.

Owns the question to the daemon, the look at the marker, and the refusal. Never writes and never
looks at anything else in the root. Called by `drop`, and for the marker by `unit`.
"""

from __future__ import annotations

import argparse
import contextlib
import os

from masv_watch import files
from masv_watch.cli import answers
from masv_watch.cli.caller import Caller, place
from masv_watch.cli.outcomes import Ended
from masv_watch.cli.seen import HotFolder
from masv_watch.cli.whereabouts import seek
from masv_watch.errors import ConfigError, SourceError
from masv_watch.model import Rule
from masv_watch.names import shown

#: what the daemon says of a root that carries its marker; a test compares
MARKED = "its marker"


def assert_stands(rule: Rule, options: argparse.Namespace) -> str:
    """Assure that the root may be written into; give what could not be found out, or "".

    Without a daemon the marker alone tells; a root without one may be a bare mount point.

    Raises:
        Ended: the daemon holds the root as away, or another one stands at its path.
    """
    path = shown(rule.path)
    is_ours = carries_marker(rule)
    folder = _asked(rule, options)
    if folder is None:
        if is_ours:
            return ""
        return (
            f"no daemon could be asked whether {path} is the folder that it was, and it carries no"
            f" marker of {rule.name}: a bare mount point looks the same"
        )
    if folder.away_since or folder.state == "waiting":
        why = folder.reason or f"{path} is away since {folder.away_since}"
        raise Ended(f"nothing is dropped: {why}")
    if folder.known_by == MARKED and not is_ours:
        raise Ended(
            f"nothing is dropped: {path} has not the marker by which the daemon knows it - mount"
            f" the file system that was there, or say masv-watch adopt {rule.name} if this one is"
            f" to take its place; masv-watch scan {rule.name} has the daemon look again"
        )
    return ""


def carries_marker(rule: Rule) -> bool:
    """Say whether the folder of a rule is there with the marker of that hot folder."""
    try:
        with files.Root.open(rule.path) as root:
            marker = files.read_marker(root)
    except SourceError:
        # whoever goes on with it says what is wrong
        return False
    return marker is not None and marker.hot_folder == rule.name


def _asked(rule: Rule, options: argparse.Namespace) -> HotFolder | None:
    """Ask the daemon how it sees a hot folder; None where it cannot be asked or knows none."""
    unsaid = argparse.Namespace(config=options.config, url=None, token_file=None, cacert=None)
    with contextlib.suppress(Ended, ConfigError):
        found, _ = Caller(seek(unsaid, os.environ)).get(place("hot_folders"), answers.hot_folders)
        return next((folder for folder in found if folder.name == rule.name), None)
    return None
