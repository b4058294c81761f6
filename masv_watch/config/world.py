"""Compare a configuration with the machine it is to run on.

Owns what `check` says about folders and rights: there, readable, writable where `after` needs it.
Never talks to the network and changes nothing on disk. Called by `check` without --no-probe.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from masv_watch.config.problems import printable
from masv_watch.model import Rule, Settings

_EFFECTIVE = os.access in os.supports_effective_ids


@dataclass(slots=True, kw_only=True)
class Findings:
    """What the machine says about a configuration."""

    #: what `run` cannot work with; each `file:line:col: path: sentence`
    problems: list[str] = field(default_factory=list)
    #: what `run` copes with; each `file:line:col: path: warning: sentence`
    warnings: list[str] = field(default_factory=list)
    #: what was looked at and is in order; each `ok: path: sentence`
    ok: list[str] = field(default_factory=list)


def probe(
    settings: Settings, *, places: Mapping[str, str] | None = None, file: str = "configuration"
) -> Findings:
    """Look at every hot folder and at the state folder; `places` come from `Loaded`."""
    findings = Findings()
    known = places or {}
    for number, rule in enumerate(settings.hot_folders):
        path = f"hot_folders[{number}].path"
        _root(findings, rule, path, known.get(path, f"{rule.at or file}:1"))
        path = f"hot_folders[{number}].after.delivered"
        _after(findings, rule, path, known.get(path, f"{rule.at or file}:1"))
    _state(findings, settings.state, known.get("state", f"{file}:1:1"))
    return findings


def _root(findings: Findings, rule: Rule, path: str, place: str) -> None:
    shown = printable(os.fsdecode(rule.path))
    try:
        found = os.stat(rule.path)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            message = f"{shown} is missing: run will wait for it"
        else:
            message = f"{shown} cannot be looked at ({_why(error)}): run will wait for it"
        findings.warnings.append(f"{place}: {path}: warning: {message}")
        return
    if not stat.S_ISDIR(found.st_mode):
        message = f"{shown} is not a folder - name a folder"
        findings.problems.append(f"{place}: {path}: {message}")
    elif not _may(rule.path, os.R_OK | os.X_OK):
        message = f"{shown} cannot be read by this user: nothing of it will be sent"
        findings.warnings.append(f"{place}: {path}: warning: {message}")
    else:
        findings.ok.append(f"ok: {path}: {shown} is there and can be read")


def _after(findings: Findings, rule: Rule, path: str, place: str) -> None:
    if rule.after.delivered == "keep" or not os.path.isdir(rule.path):
        return
    if not _may(rule.path, os.W_OK | os.X_OK):
        what = "moved" if rule.after.delivered == "move" else "deleted"
        message = f"no right to write in the hot folder: delivered sources cannot be {what}"
        findings.warnings.append(f"{place}: {path}: warning: {message}")
        return
    if rule.after.move_to is None:
        findings.ok.append(f"ok: {path}: delivered sources can be deleted")
        return
    _target(findings, rule, path, place)


def _target(findings: Findings, rule: Rule, path: str, place: str) -> None:
    target = os.fsencode((rule.after.move_to or "").split("{", 2)[0]).rpartition(b"/")[0]
    if rule.after.move_to and rule.after.move_to.startswith("{root}"):
        target = rule.path
    existing = _existing(target or b"/")
    if not _may(existing, os.W_OK | os.X_OK):
        shown = printable(os.fsdecode(existing))
        message = f"no right to write in {shown}: delivered sources cannot be moved"
        findings.warnings.append(f"{place}: {path}: warning: {message}")
        return
    try:
        same = os.stat(existing).st_dev == os.stat(rule.path).st_dev
    except OSError:
        same = False
    how = "by a rename" if same else "to another file system: copied, compared, then removed"
    findings.ok.append(f"ok: {path}: delivered sources are moved {how}")


def _state(findings: Findings, state: str, place: str) -> None:
    folder = os.fsencode(state)
    shown = printable(state)
    existing = _existing(folder)
    if not os.path.isdir(existing):
        findings.problems.append(f"{place}: state: {shown} is not a folder - name a folder")
    elif not _may(existing, os.R_OK | os.W_OK | os.X_OK):
        where = "it" if existing == folder else printable(os.fsdecode(existing))
        message = f"{shown} cannot be used - this user needs the right to write in {where}"
        findings.problems.append(f"{place}: state: {message}")
    else:
        made = "is there" if existing == folder else "will be made"
        findings.ok.append(f"ok: state: {shown} {made}")


def _existing(path: bytes) -> bytes:
    """Give the nearest folder above that is there."""
    while not os.path.lexists(path) and path not in {b"/", b""}:
        path = os.path.dirname(path)
    return path or b"/"


def _may(path: bytes, mode: int) -> bool:
    # The effective user is the one whose rights a daemon has.
    return os.access(path, mode, effective_ids=_EFFECTIVE)


def _why(error: OSError) -> str:
    return (error.strerror or "unknown reason").lower()
