"""The command that collects what a helper needs to know, and says what is wrong first.

Owns what goes into the bundle and the order of what is wrong. Never changes anything, and writes no
secret: whatever is collected passes the redaction that knows all of them. Called by the table of
commands; a daemon that does not answer is one more finding.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import tarfile
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

from masv_watch import __version__, files
from masv_watch.check import examine
from masv_watch.cli.caller import Caller, place
from masv_watch.cli.outcomes import OK, Ended, lines_of
from masv_watch.cli.output import say
from masv_watch.cli.whereabouts import seek
from masv_watch.config.effective import effective
from masv_watch.config.load import Loaded, find, load
from masv_watch.config.problems import Wrong
from masv_watch.config.writing import Drafts
from masv_watch.errors import ConfigError, MasvWatchError
from masv_watch.logs import Redactor
from masv_watch.loops import SystemClock
from masv_watch.names import shown

_TOP = "masv-watch-doctor"
_LIBRARIES = ("watchdog", "requests", "urllib3", "pycurl", "waitress", "bottle", "pydantic")
#: what the daemon is asked, by the name that its answer gets
_ASKED = {
    "health": "/readyz",
    "hot_folders": place("hot_folders"),
    "drops": place("drops"),
    "uploads": place("uploads"),
    "stats": place("stats"),
}
#: findings of one kind that are listed
_LISTED = 20


@dataclass(slots=True)
class _Bundle:
    """What was collected."""

    #: what is wrong, the worst first; one line each
    wrong: list[str] = field(default_factory=list)
    #: file name -> text
    texts: dict[str, str] = field(default_factory=dict)
    redactor: Redactor = field(default_factory=Redactor)


def doctor(options: argparse.Namespace) -> int:
    """Say what is wrong, and write a bundle that a helper may have."""
    bundle = _Bundle()
    path = ""
    try:
        path = find(options.config, os.environ)
        loaded = _loaded(path, bundle)
        _of_configuration(path, loaded, bundle, probe=not options.no_probe)
    except ConfigError as error:
        bundle.wrong += error.problems
        bundle.texts["check.txt"] = "\n".join(error.problems)
        loaded = None
    _of_daemon(options, bundle)
    _of_machine(loaded, bundle)
    findings = [bundle.redactor.clean(each) for each in bundle.wrong]
    target = os.path.abspath(options.output or _name())
    try:
        with Drafts() as drafts:
            drafts.write_bytes(target, _packed(findings, bundle))
    except Wrong as wrong:
        raise Ended(wrong.message) from wrong
    if options.json:
        say(json.dumps({"wrong": findings, "bundle": target}))
    else:
        say(*(findings or ["nothing is wrong that can be seen from here"]))
        say(f"{target} is written; it holds no secret, but names of folders, files and addresses")
    return OK


def _name() -> str:
    clock = SystemClock()
    return f"masv-watch-doctor-{clock.local(clock.wall()):%Y%m%d-%H%M%S}.tar.gz"


def _loaded(path: str, bundle: _Bundle) -> Loaded:
    """Load the file, with its secrets where they can be read, so that none is let through."""
    try:
        loaded = load(path, environ=os.environ)
    except ConfigError as error:
        bundle.wrong += error.problems
        loaded = load(path, environ=os.environ, with_secrets=False)
    bundle.redactor.add(loaded.secrets, lasting=True)
    return loaded


def _of_configuration(path: str, loaded: Loaded, bundle: _Bundle, *, probe: bool) -> None:
    found = examine(loaded, file=path, probe=probe)
    bundle.wrong += [*found.problems, *found.warnings]
    bundle.texts["check.txt"] = "\n".join([*found.problems, *found.warnings, *found.ok])
    shown_values = (
        f"{each.key}: {each.value}  <- {each.origin}"
        for each in effective(path, environ=os.environ)
    )
    bundle.texts["config.txt"] = "\n".join(shown_values)


def _of_daemon(options: argparse.Namespace, bundle: _Bundle) -> None:
    try:
        where = seek(options, os.environ)
        if where.token is not None:
            bundle.redactor.add([where.token], lasting=True)
        caller, answers = Caller(where), {}
        for name, path in _ASKED.items():
            answers[name], _ = caller.get(path, lambda tree: tree, 200, 503)
            bundle.texts[f"{name}.json"] = json.dumps(answers[name], indent=2)
    except (Ended, MasvWatchError) as error:
        told = [*lines_of(error)]
        bundle.texts["daemon.txt"] = "\n".join(told)
        if not isinstance(error, ConfigError):
            bundle.wrong[:0] = told
        return
    bundle.wrong[:0] = _troubles(answers)


def _troubles(answers: dict[str, Any]) -> list[str]:
    """List what the daemon says is wrong: itself, what failed, what is held; each with its cure."""
    health = answers["health"]
    found = [] if health.get("ready") else [f"not ready: {health.get('why')}"]
    found += [str(each) for each in health.get("concerns", [])]
    failed = [each for each in answers["uploads"] if each.get("state") == "error"]
    found += [
        f"upload {each.get('upload_id')} failed: {each.get('error', {}).get('message')}"
        f" - {each.get('error', {}).get('cure')}"
        for each in failed[:_LISTED]
    ]
    held = [each for each in answers["drops"] if each.get("reason")]
    found += [
        f"{each.get('hot_folder')}/{each.get('path')} is held ({each.get('reason')}):"
        f" {each.get('note')} - {each.get('cure')}"
        for each in held[:_LISTED]
    ]
    more = max(len(failed) - _LISTED, 0) + max(len(held) - _LISTED, 0)
    return [*found, *([f"and {more} more; the files beside this one list them"] if more else [])]


def _of_machine(loaded: Loaded | None, bundle: _Bundle) -> None:
    lines = [
        f"masv-watch {__version__}",
        f"python {platform.python_version()}",
        platform.platform(),
    ]
    for library in _LIBRARIES:
        try:
            lines.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{library} is not installed")
    lines.append(f"user {os.geteuid()}, notifications {asdict(files.held_notifications())}")
    rules = loaded.settings.hot_folders if loaded is not None else ()
    lines += [f"{shown(each.path)}: {files.filesystem_kind(each.path)}" for each in rules]
    bundle.texts["machine.txt"] = "\n".join(lines)


def _packed(findings: list[str], bundle: _Bundle) -> bytes:
    """Give the bundle; every text passes the redaction on its way in."""
    head = "What is wrong, the worst first:" if findings else "Nothing is wrong that can be seen."
    texts = {"README.txt": "\n".join([head, "", *findings]), **bundle.texts}
    packed, at = io.BytesIO(), int(SystemClock().wall())
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in texts.items():
            content = (bundle.redactor.clean(text) + "\n").encode("utf-8", "backslashreplace")
            entry = tarfile.TarInfo(f"{_TOP}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), at, 0o600
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
