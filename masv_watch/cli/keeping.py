"""The commands on a state as a whole: state backup, check and restore.

Owns what is said of a copy and of a restore. Never calls the API: a copy is made beside the daemon,
and a restore needs that it does not run. Called by the table of commands.
"""

from __future__ import annotations

import argparse
import json
import os

from masv_watch.cli import output
from masv_watch.cli.outcomes import OK, Ended, WrongUsage
from masv_watch.config.finding import find
from masv_watch.config.load import load
from masv_watch.errors import StoreUnusable
from masv_watch.figures import counted
from masv_watch.loops import SystemClock
from masv_watch.names import shown
from masv_watch.store import copies, copying, locking
from masv_watch.store.sqlite import SCHEMA

_OTHER = "use another copy; the state itself is not meant, masv-watch state check looks there"
_KEY = "the key of its secrets"


def back_up(options: argparse.Namespace) -> int:
    """Copy the state to a file, whether the daemon runs or not."""
    to, folder = os.path.abspath(options.to), _state(options)
    if os.path.isdir(to):
        raise Ended(f"{shown(os.fsencode(to))} is a folder - name the file of the copy")
    is_noted = copies.note(folder, to)
    size = copying.back_up(folder, to, with_key=not options.no_key)
    found = copying.damage(to)
    if not is_noted:
        output.complain(
            f"it could not be noted in {folder} that {to} is never to be sent: keep it out of hot"
            " folders and server.allowed_roots"
        )
    if found:
        raise Ended(f"the copy {to} is damaged: {found} - run masv-watch state check")
    key = "" if options.no_key else to + copying.KEY_SUFFIX
    if options.json:
        output.say(json.dumps({"file": to, "key": key or None, "bytes": size}))
        return OK
    output.say(f"copied the state in {folder} to {to}, {size:,} bytes")
    if key:
        output.say(f"{_KEY} is beside it: {key} - a restore needs both, keep them private")
    else:
        keys = os.path.join(folder, copying.KEY)
        output.say(f"{_KEY} is not with it: keep {keys} elsewhere, no restore goes without it")
    return OK


def check(options: argparse.Namespace) -> int:
    """Look for damage in the state, or in a copy of it."""
    path = options.copy or os.path.join(_state(options), copying.FILE)
    if not os.path.exists(path):
        raise StoreUnusable(
            f"there is no state at {path}", hint="name a copy, or the right configuration"
        )
    found = copying.damage(path)
    if options.json:
        output.say(json.dumps({"file": path, "damage": found or None}))
    elif not found:
        output.say(f"ok: {path} is whole")
    if found:
        # the file of the state may be named too; a rescued one of that name is no harm
        is_copy = options.copy and os.path.basename(path) != copying.FILE
        cure = _OTHER if is_copy else "stop the daemon and run masv-watch state restore FROM"
        raise StoreUnusable(f"{path} is damaged: {found}", hint=cure)
    return OK


def restore(options: argparse.Namespace) -> int:
    """Put a copy in the place of the state; what was there is kept beside it."""
    copy, folder = os.path.abspath(options.copy), _state(options)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with locking.held(folder):
        copying.examine(copy, folder, schema=SCHEMA)
        if not options.yes:
            _ask(f"Put {copy} in the place of the state in {folder}?")
        clock = SystemClock()
        stamp = f"{clock.local(clock.wall()):%Y%m%dT%H%M%S}"
        done = copying.restore(copy, folder, stamp=stamp, schema=SCHEMA)
    if options.json:
        output.say(
            json.dumps(
                {
                    "state": folder,
                    "before": done.beside or None,
                    "paused": done.paused,
                    "letters": done.letters,
                    "hot_folders": list(done.hot_folders),
                }
            )
        )
        return OK
    output.say(*_sentences(done, copy, folder))
    return OK


def _ask(question: str) -> None:
    if not output.is_asked():
        raise WrongUsage("it replaces the state - say --yes to do it without being asked")
    if not output.agrees(question):
        raise Ended("nothing was changed")


def _sentences(done: copying.Restored, copy: str, folder: str) -> list[str]:
    lines = [f"{copy} is the state in {folder} now"]
    if done.beside:
        lines.append(f"the state of before lies in {done.beside}")
    lines.append(
        "what was delivered after the copy was made looks new to it, so nothing of it is sent"
        " before you say so: start the daemon, look at masv-watch status and at MASV, then say for"
        " each hot folder"
    )
    for name in done.hot_folders or ("NAME",):
        folder_name = name.partition("@")[0]
        lines.append(f"  masv-watch ledger seed {folder_name}        what it holds was delivered")
        lines.append(f"  masv-watch release --folder {folder_name}   what it holds is to be sent")
    if done.paused:
        lines.append(
            f"{counted(done.paused, 'upload')} on the way in the copy may be delivered by now:"
            " paused; masv-watch resume ID sends it, masv-watch delete ID forgets it"
        )
    if done.letters:
        lines.append(
            f"{counted(done.letters, 'letter')} owed in the copy may have left by now: held;"
            " masv-watch start ID sends it, masv-watch delete ID forgets it"
        )
    return lines


def _state(options: argparse.Namespace) -> str:
    # where the state is says no secret, and those of the service may be out of reach here
    loaded = load(find(options.config, os.environ), environ=os.environ, with_secrets=False)
    return loaded.settings.state
