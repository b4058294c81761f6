"""The file systems that are mounted below a root, and what is made of one that is away.

Owns which folders of a root are not entered now. Never touches a drop: what cannot be entered is
unreadable to every look. Used by intake on its thread.

Law 1. The bare mount point of a file system that was there shows nothing of it: neither is what it
       held gone, nor is what stands there in its place sent (fault 8).
Law 2. A mount point that is gone itself was taken away by somebody, and with it what it held.
"""

from __future__ import annotations

import os

from masv_watch import files
from masv_watch.errors import SourceError, SourceVanished
from masv_watch.model import Rule
from masv_watch.store.contract import Store
from masv_watch.watch.addresses import above, subfolder_of


def withhold(root: files.Root, rule: Rule, store: Store) -> None:
    """Let nothing below an open root be entered from which its file system is away."""
    if rule.removable:
        # what lies on a card is mounted with it
        return
    known = store.submounts(rule.name, rule.path)
    if not known:
        return
    why = (
        "is a bare mount point now: mount the file system that was there, or say masv-watch adopt"
        f" {rule.name} if it is to stay away"
    )
    away: dict[bytes, str] = {}
    gone: list[bytes] = []
    for path in known:
        if not away.keys().isdisjoint(above(path)):
            continue
        is_away = _is_away(root, path)
        if is_away:
            away[path] = why
        elif is_away is None:
            gone.append(path)
    store.note_submounts(rule.name, rule.path, gone=gone)
    root.forget_folders()
    root.withheld = away


def note(points: set[bytes], rule: Rule, store: Store) -> None:
    """Note the mount points on which a whole sweep walked.

    Of what could not be listed nothing was learned that could be missed.
    """
    if points and not rule.removable:
        new = points.difference(store.submounts(rule.name, rule.path))
        store.note_submounts(rule.name, rule.path, mounted=new)


def _is_away(root: files.Root, path: bytes) -> bool | None:
    """Say whether a folder lies on the file system of the one around it; None: it is gone.

    Both are entered: that has an automounter bring back what it took down.
    """
    try:
        with root.border(path):
            devices = [os.fstat(root.folder(each)).st_dev for each in (subfolder_of(path), path)]
    except SourceVanished:
        return None
    except SourceError:
        # the look at it says what is wrong
        return False
    return devices[0] == devices[1]
