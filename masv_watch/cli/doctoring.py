"""The command that collects what a helper needs to know, and says what is wrong first.

Owns whom it asks and the form of the bundle. Never judges: `doctoring` does. Called by the table of
commands; a daemon that does not answer is one more finding.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from masv_watch.cli.answers import Json, NotOurs
from masv_watch.cli.caller import Caller, place
from masv_watch.cli.outcomes import OK, Ended, lines_of
from masv_watch.cli.output import say
from masv_watch.cli.whereabouts import seek
from masv_watch.config.confinement import is_confined
from masv_watch.config.effective import effective
from masv_watch.config.load import Loaded, find, load
from masv_watch.config.problems import Wrong
from masv_watch.config.writing import Drafts
from masv_watch.doctoring import Collection
from masv_watch.errors import ConfigError, MasvWatchError
from masv_watch.logs import Redactor
from masv_watch.loops import SystemClock

_TOP = "masv-watch-doctor"
#: what the daemon is asked, by the name that its answer gets
_ASKED = {
    "health": "/readyz",
    "hot_folders": place("hot_folders"),
    "drops": place("drops"),
    "uploads": place("uploads"),
    "stats": place("stats"),
}


def doctor(options: argparse.Namespace) -> int:
    """Say what is wrong, and write a bundle that a helper may have."""
    redactor = Redactor()
    collection = Collection(clean=redactor.clean)
    loaded = None
    try:
        path = find(options.config, os.environ)
        loaded = _loaded(path, collection, redactor)
        values = effective(path, environ=os.environ)
        probe = not options.no_probe
        collection.configuration(path, loaded, values, probe=probe, environ=os.environ)
    except ConfigError as error:
        collection.refused(error.problems)
    _ask(options, collection, redactor)
    collection.machine(() if loaded is None else loaded.settings.hot_folders)
    found = collection.diagnosis()
    target = os.path.abspath(options.output or _name())
    try:
        with Drafts() as drafts:
            drafts.write_bytes(target, _packed(found.texts))
    except Wrong as wrong:
        raise Ended(wrong.message) from wrong
    if options.json:
        say(json.dumps({"wrong": list(found.wrong), "bundle": target}))
    else:
        say(*(found.wrong or ["nothing is wrong that can be seen from here"]))
        say(f"{target} is written; it holds no secret, but names of folders, files and addresses")
    return OK


def _name() -> str:
    clock = SystemClock()
    return f"masv-watch-doctor-{clock.local(clock.wall()):%Y%m%d-%H%M%S}.tar.gz"


def _loaded(path: str, collection: Collection, redactor: Redactor) -> Loaded:
    """Load the file, with its secrets where they can be read, so that none is let through."""
    try:
        loaded = load(path, environ=os.environ, is_outside=not is_confined(os.environ))
    except ConfigError as error:
        collection.wrong += error.problems
        loaded = load(path, environ=os.environ, with_secrets=False)
    redactor.add(loaded.secrets, lasting=True)
    return loaded


def _ask(options: argparse.Namespace, collection: Collection, redactor: Redactor) -> None:
    answers: dict[str, Any] = {}
    mistakes: Sequence[str] = ()
    try:
        where = seek(options, os.environ)
        mistakes = where.problems
        if where.token is not None:
            redactor.add([where.token], lasting=True)
        caller = Caller(where)
        for name, path in _ASKED.items():
            answers[name], _ = caller.get(path, lambda tree: tree, 200, 503)
    except (Ended, MasvWatchError) as error:
        # a file with a mistake is why none runs, and stands first already
        is_cause = not (mistakes or isinstance(error, ConfigError))
        collection.silence(answers, [*lines_of(error)], is_cause=is_cause)
        return
    collection.daemon(answers)
    collection.records(
        log=_had(lambda: caller.get(place("log"), _lines)[0]),
        metrics="\n".join(_had(lambda: [caller.text("/metrics")])),
    )


def _had(ask: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Give what is asked for, or why whoever asks does not get it."""
    try:
        return ask()
    except Ended as error:
        return lines_of(error)


def _lines(tree: Json) -> list[str]:
    """Read the lines of a log.

    Raises:
        NotOurs: it is none.
    """
    if not isinstance(tree, list):
        raise NotOurs("it is no log")
    return [str(line) for line in tree]


def _packed(texts: Mapping[str, str]) -> bytes:
    packed, at = io.BytesIO(), int(SystemClock().wall())
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in texts.items():
            content = f"{text}\n".encode("utf-8", "backslashreplace")
            entry = tarfile.TarInfo(f"{_TOP}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), at, 0o600
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
