"""The commands on the ledger, and `send`, which does whichever of them a thing needs.

Owns which call follows from what the daemon says of a drop, and the question before it is made.
Never decides whether it may: the daemon does. Called by the table of commands.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from urllib.parse import urlencode

from masv_watch.cli import answers, output
from masv_watch.cli.caller import place
from masv_watch.cli.desk import Desk, desk_of
from masv_watch.cli.explaining import Explained, explained
from masv_watch.cli.lines import counted
from masv_watch.cli.outcomes import OK, Ended, WrongUsage
from masv_watch.cli.seen import Drop, Upload

#: drops of one page of an export
_PAGE = 1000
#: holds that a person's word ends, or that let a drop go as it is
_RELEASED = frozenset({"initial_ask", "limit_exceeded", "redrop_ask", "operator", "incomplete"})
_ENDED = frozenset({"done", "cancelled", "superseded", "duplicate", "ignored"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One call that sends something, and what it does in words."""

    path: str
    #: as in "sent again although it was delivered"
    does: str


def resend(options: argparse.Namespace) -> int:
    """Send what ended once more."""
    return _on_drop(options, "resend", "sent again once quiet")


def rebind(options: argparse.Namespace) -> int:
    """Let what is on its way go to whom its rule names now."""
    return _on_drop(options, "rebind", "goes to whom its rule names now")


def _on_drop(options: argparse.Namespace, verb: str, does: str) -> int:
    desk = desk_of(options)
    drop, tree = desk.caller.send("POST", place("drops", options.drop, verb), answers.drop)
    desk.print(tree, f"{drop.hot_folder}/{drop.path}: {does}")
    return OK


def retry(options: argparse.Namespace) -> int:
    """Let a failed upload go on."""
    desk = desk_of(options)
    upload_id = desk.upload_id(options.id)
    upload, tree = desk.caller.send("POST", place("uploads", upload_id, "resume"), answers.upload)
    desk.print(tree, f"upload {upload.id} goes on")
    return OK


def forget(options: argparse.Namespace) -> int:
    """Let a path be new, as if it had never been seen."""
    desk = desk_of(options)
    path = os.path.abspath(os.fsencode(options.path))
    found = _explained(desk, path)
    if not found.hot_folder:
        raise Ended(f"{found.why} - nothing was forgotten")
    body = {"path": os.fsdecode(path)}
    count, tree = desk.caller.send(
        "POST",
        place("hot_folders", found.hot_folder, "forget"),
        lambda tree: answers.count(tree, "drops"),
        body,
    )
    desk.print(tree, f"forgot {counted(count, 'drop')}: what stands there is new")
    return OK


def export(options: argparse.Namespace) -> int:
    """Print the whole ledger, one JSON object a line."""
    desk, after = desk_of(options), 0
    wanted = {} if options.folder is None else {"hot_folder": options.folder}
    while True:
        query = urlencode({**wanted, "after": after, "limit": _PAGE})
        drops, trees = desk.caller.get(f"{place('ledger')}?{query}", answers.drops)
        output.say(*(json.dumps(tree) for tree in trees))
        if len(drops) < _PAGE:
            return OK
        after = drops[-1].id


def send(options: argparse.Namespace) -> int:
    """Do what lets a drop, an upload or a path be sent, after saying what goes to whom."""
    desk = desk_of(options)
    what: str = options.what
    if "/" in what or os.path.lexists(what):
        found = _explained(desk, os.path.abspath(os.fsencode(what)))
        act, goes = _for_path(found), f"{found.path} to {', '.join(found.to) or 'nobody'}"
    elif what.isascii() and what.isdigit() and len(what) < 8:
        drop, _ = desk.caller.get(place("drops", what), answers.drop)
        act, goes = _for_drop(drop), f"{drop.hot_folder}/{drop.path}"
    else:
        upload, _ = desk.caller.get(place("uploads", desk.upload_id(what)), answers.upload)
        act, goes = _for_upload(upload), f"{upload.name} ({counted(upload.file_count, 'file')})"
    output.complain(f"{goes}: {act.does}")
    if not options.yes:
        if not output.is_asked():
            raise WrongUsage("nobody can be asked here - say --yes to do it")
        if not output.agrees("Send it?"):
            raise Ended("nothing was sent")
    _, tree = desk.caller.send("POST", act.path, lambda tree: tree)
    desk.print(tree, f"{goes}: {act.does}")
    return OK


def _explained(desk: Desk, path: bytes) -> Explained:
    query = urlencode({"path": path})
    return desk.caller.get(f"{place('explain')}?{query}", explained)[0]


def _for_path(found: Explained) -> Act:
    if found.verdict == "held" and found.drop is None and "resume --folder" in found.cure:
        return Act(
            path=place("hot_folders", found.hot_folder, "resume"),
            does="its hot folder is watched again",
        )
    if found.drop is not None and found.verdict in {"held", "known", "on_its_way"}:
        return _for_drop(found.drop)
    hint = f" - {found.cure}" if found.cure else ""
    if found.verdict in {"goes", "settling"}:
        raise Ended(f"{found.path} goes by itself once it is quiet: {found.why}")
    raise Ended(f"{found.path} cannot be sent: {found.why}{hint}")


def _for_drop(drop: Drop) -> Act:
    number = str(drop.id)
    if drop.state in _ENDED:
        return Act(
            path=place("drops", number, "resend"),
            does=f"sent again, although it ended as {drop.state} before",
        )
    if drop.reason == "paused":
        return Act(
            path=place("hot_folders", drop.hot_folder, "resume"),
            does="its hot folder is watched again, with all that waits in it",
        )
    if drop.reason in _RELEASED:
        said = drop.note or drop.reason
        return Act(path=place("drops", number, "release"), does=f"released from its hold: {said}")
    if drop.upload_id:
        return Act(path=place("uploads", drop.upload_id, "resume"), does="its upload goes on")
    cure = f" - {drop.cure}" if drop.cure else ""
    raise Ended(f"drop {number} is {drop.state} and cannot be hurried{cure}")


def _for_upload(upload: Upload) -> Act:
    if upload.state in {"error", "paused"}:
        return Act(path=place("uploads", upload.id, "resume"), does="goes on")
    if upload.state == "idle":
        return Act(path=place("uploads", upload.id, "finalize"), does="is finalized and delivered")
    if upload.state == "complete":
        raise Ended(f"upload {upload.id} is delivered - masv-watch link {upload.id} shares it")
    return Act(path=place("uploads", upload.id, "start"), does="goes at once, before its turn")
