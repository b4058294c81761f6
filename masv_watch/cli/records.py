"""The commands on the ledger, and `send`, which does whichever of them a thing needs.

Owns which call follows from what the daemon says of a drop, and the question before it is made.
Never decides whether it may: the daemon does. Called by the table of commands.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from masv_watch.cli import answers, output
from masv_watch.cli.caller import place
from masv_watch.cli.desk import Desk, desk_of
from masv_watch.cli.explaining import Explained, explained
from masv_watch.cli.outcomes import OK, Ended, Refused, WrongUsage
from masv_watch.cli.seen import Drop, HotFolder, Upload
from masv_watch.figures import counted

_AT_ONCE = "is tried again at once"
#: drops of one page of an export
_PAGE = 1000
#: holds that a person's word ends, or that let a drop go as it is
_RELEASED = frozenset({"initial_ask", "limit_exceeded", "redrop_ask", "operator", "incomplete"})
#: the test of a path in a root that is not the one that it was
_STANDS = "there"
#: waits of an upload that only another try ends
_RETRIED = frozenset({"retrying", "quota"})
_ENDED = frozenset({"done", "cancelled", "superseded", "duplicate", "ignored"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What sends something, in one call or several, and what it does in words."""

    path: str
    #: as in "sent again although it was delivered"
    does: str
    #: calls that follow, where one is not enough
    then: tuple[str, ...] = ()
    #: what it means for others than what is sent, a line each
    beside: tuple[str, ...] = ()


def resend(options: argparse.Namespace) -> int:
    """Send what ended once more."""
    return _on_drop(options, "resend", "sent again once quiet")


def rebind(options: argparse.Namespace) -> int:
    """Let what is on its way go to whom its rule names now."""
    return _on_drop(options, "rebind", "goes to whom its rule names now")


def hold(options: argparse.Namespace) -> int:
    """Hold a drop that is not on its way until it is released."""
    desk, what = desk_of(options), str(options.what)
    if "/" in what or os.path.lexists(what):
        found = _explained(desk, os.path.abspath(os.fsencode(what)))
        if found.drop is None:
            raise Ended(f"{found.path} is no drop yet: {found.why} - nothing was held")
        what = str(found.drop.id)
    drop, tree = desk.caller.send("POST", place("drops", what, "hold"), answers.drop)
    desk.print(tree, f"{drop.hot_folder}/{drop.path}: held until masv-watch release {what}")
    return OK


def _on_drop(options: argparse.Namespace, verb: str, does: str) -> int:
    desk = desk_of(options)
    drop, tree = desk.caller.send("POST", place("drops", options.drop, verb), answers.drop)
    desk.print(tree, f"{drop.hot_folder}/{drop.path}: {does}")
    return OK


def cancel(options: argparse.Namespace) -> int:
    """End what has not gone yet, for good; a person is asked first."""
    desk = desk_of(options)
    if not options.yes and output.is_asked():
        drop, _ = desk.caller.get(place("drops", options.drop), answers.drop)
        what = f"drop {drop.id}: {drop.hot_folder}/{drop.path}, {drop.state}"
        if not output.agrees(f"Cancel {what}? It is not sent. The source stays."):
            raise Ended("nothing was cancelled")
    drop, tree = desk.caller.send("POST", place("drops", options.drop, "cancel"), answers.drop)
    desk.print(tree, f"{drop.hot_folder}/{drop.path}: cancelled, and its source stays")
    return OK


def retry(options: argparse.Namespace) -> int:
    """Let a failed upload go on, and one that waits for its next try be tried at once."""
    desk = desk_of(options)
    upload_id = desk.upload_id(options.id)
    upload, tree = desk.caller.get(place("uploads", upload_id), answers.upload)
    if not _waits_for(upload, "quota"):
        resume = place("uploads", upload_id, "resume")
        upload, tree = desk.caller.send("POST", resume, answers.upload)
    does = "goes on"
    if _waits_for(upload, "retrying", "quota"):
        again = place("uploads", upload_id, "retry")
        upload, tree = desk.caller.send("POST", again, answers.upload)
        ahead = 0 if upload.waiting is None else upload.waiting.ahead
        does = f"is tried again once it is its turn: {ahead} go first" if ahead else _AT_ONCE
    if upload.waiting is not None and _waits_for(upload, "held"):
        raise Ended(
            f"upload {upload.id} does not go on, for what is in it is held: {upload.waiting.cure}"
        )
    desk.print(tree, f"upload {upload.id} {does}")
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
        if not drops and not after and wanted:
            # one that was removed has its rows still; of one that never was the names are told
            desk.caller.get(place("hot_folders", options.folder), lambda tree: tree)
        output.say(*(json.dumps(tree) for tree in trees))
        if len(drops) < _PAGE:
            return OK
        after = drops[-1].id


def send(options: argparse.Namespace) -> int:
    """Do what lets a drop, an upload or a path be sent, after saying what goes to whom."""
    desk = desk_of(options)
    what: str = options.what
    if "/" in what or os.path.lexists(what):
        act, goes = _of_path(desk, os.path.abspath(os.fsencode(what)))
    elif what.isascii() and what.isdigit() and len(what) < 8:
        act, goes = _of_drop(desk, desk.caller.get(place("drops", what), answers.drop)[0])
    else:
        act, goes = _of_upload(desk, desk.upload_id(what))
    output.complain(f"{goes}: {act.does}", *act.beside)
    if not options.yes:
        if not output.is_asked():
            raise WrongUsage("nobody can be asked here - say --yes to do it")
        if not output.agrees("Send it?"):
            raise Ended("nothing was sent")
    for path in (act.path, *act.then):
        _, tree = desk.caller.send("POST", path, lambda tree: tree)
    desk.print(tree, f"{goes}: {act.does}", *_waits_still(tree))
    return OK


def _waits_still(tree: answers.Json) -> Iterator[str]:
    """Say what an upload that goes on waits for all the same."""
    upload = answers.upload(tree) if "upload_id" in tree and "package_name" in tree else None
    if upload is not None and upload.waiting is not None and _is_shut(upload):
        yield f"it waits for its window{_opening(upload)}: {upload.waiting.cure}"


def _waits_for(upload: Upload, *reasons: str) -> bool:
    return upload.waiting is not None and upload.waiting.reason in reasons


def _is_shut(upload: Upload) -> bool:
    return _waits_for(upload, "window_closed")


def _opening(upload: Upload) -> str:
    """Say when the window of an upload opens; empty where that is not known."""
    until = "" if upload.waiting is None else upload.waiting.until
    return f", which opens at {until}" if until else ""


def _explained(desk: Desk, path: bytes) -> Explained:
    query = urlencode({"path": path})
    return desk.caller.get(f"{place('explain')}?{query}", explained)[0]


def _is_sent(drop: Drop) -> bool:
    """Say whether a drop's upload decides what it needs: it is on its way and not held itself."""
    is_held = drop.reason not in {"", "window_closed"}
    return drop.state == "taken" and bool(drop.upload_id) and not is_held


def _of_path(desk: Desk, path: bytes) -> tuple[Act, str]:
    found = _explained(desk, path)
    if found.drop is not None and _is_sent(found.drop):
        return _of_upload(desk, found.drop.upload_id)
    act = _for_root(desk, found) if found.verdict == "no_root" else None
    return act or _for_path(found), f"{found.path} to {', '.join(found.to) or 'nobody'}"


def _of_drop(desk: Desk, drop: Drop) -> tuple[Act, str]:
    if _is_sent(drop):
        return _of_upload(desk, drop.upload_id)
    found, to = _told(desk, drop)
    is_rootless = drop.reason == "root_unavailable"
    act = _for_root(desk, found) if found is not None and is_rootless else None
    return act or for_drop(drop), f"{drop.hot_folder}/{drop.path} to {to}"


def _of_upload(desk: Desk, upload_id: str) -> tuple[Act, str]:
    details, _ = desk.caller.get(place("uploads", upload_id), answers.details)
    upload = details.upload
    if upload.state == "transferring" and _waits_for(upload, "held"):
        drops, _ = desk.caller.get(place("drops"), answers.drops)
        held = (each for each in drops if each.upload_id == upload.id and not _is_sent(each))
        drop = next(held, None)
        if drop is not None:
            return _of_drop(desk, drop)
    what = f"{upload.name} ({counted(upload.file_count, 'file')})"
    return for_upload(upload), f"{what} to {', '.join(details.to) or 'nobody'}"


def _told(desk: Desk, drop: Drop) -> tuple[Explained | None, str]:
    """Explain a drop, where that can be, and say to whom its rule sends it now."""
    folder = _folder(desk, drop.hot_folder)
    if folder is None:
        return None, "nobody: no hot folder has its name any more"
    try:
        found = _explained(desk, os.fsencode(f"{folder.path}/{drop.path}"))
    except Refused:
        # a name with escapes is not found by them
        return None, folder.to or "nobody"
    return found, ", ".join(found.to) or "nobody"


def _folder(desk: Desk, name: str) -> HotFolder | None:
    folders, _ = desk.caller.get(place("hot_folders"), answers.hot_folders)
    return next((one for one in folders if one.name == name), None)


def _for_root(desk: Desk, found: Explained) -> Act | None:
    """Give the call that takes another root, in which something stands, for that of a hot folder.

    None where the root is away and no other is in its place.

    Raises:
        Ended: it does not stand there, and the call would give it up.
    """
    name = found.hot_folder
    stands = [each.has_passed for each in found.findings if each.test == _STANDS]
    if not stands or f"masv-watch adopt {name}" not in found.why:
        return None
    if not stands[0]:
        raise Ended(
            f"{found.path} cannot be hurried, for it does not stand in what is there now:"
            f" {found.why}, which gives up what does not stand in it"
        )
    folder = _folder(desk, name)
    waiting = 0 if folder is None else folder.settling + folder.held
    to = "nobody" if folder is None else folder.to or "nobody"
    given_up = f"of {counted(waiting, 'drop')} in wait, what does not stand in it is given up"
    return Act(
        path=place("hot_folders", name, "adopt"),
        does=f"goes once quiet, for hot folder {name} takes what stands at its path for its root",
        beside=(
            f"this is about all of hot folder {name}: {found.why}",
            f"what is new in it counts as at a first start and may go to {to}; {given_up}",
        ),
    )


def _for_path(found: Explained) -> Act:
    if found.verdict == "held" and found.drop is None and "resume --folder" in found.cure:
        return Act(
            path=place("hot_folders", found.hot_folder, "resume"),
            does="its hot folder is watched again",
        )
    if found.drop is not None and found.verdict in {"held", "known", "on_its_way"}:
        return for_drop(found.drop)
    hint = f" - {found.cure}" if found.cure else ""
    if found.verdict in {"goes", "settling"}:
        raise Ended(f"{found.path} goes by itself once it is quiet: {found.why}")
    raise Ended(f"{found.path} cannot be sent: {found.why}{hint}")


def for_drop(drop: Drop) -> Act:
    """Give the call that lets a drop go.

    Raises:
        Ended: no call does; the cure is told.
    """
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
    cure = f" - {drop.cure}" if drop.cure else ""
    raise Ended(f"drop {number} is {drop.state} and cannot be hurried{cure}")


def for_upload(upload: Upload) -> Act:
    """Give the call that lets an upload go on.

    Raises:
        Ended: no call does.
    """
    if upload.state in {"error", "paused"}:
        return Act(path=place("uploads", upload.id, "resume"), does="goes on")
    if _is_shut(upload):
        return _past_the_window(upload)
    waits = _for_what_waits(upload)
    if waits is not None:
        return waits
    if upload.is_finalizing:
        raise Ended(f"upload {upload.id} is being delivered already")
    if upload.state == "idle":
        return Act(path=place("uploads", upload.id, "finalize"), does="is finalized and delivered")
    if upload.state == "complete":
        raise Ended(f"upload {upload.id} is delivered - masv-watch link {upload.id} shares it")
    return Act(path=place("uploads", upload.id, "start"), does="goes at once, before its turn")


def _for_what_waits(upload: Upload) -> Act | None:
    """Give the call that ends a wait which is no turn and no window; None where there is none."""
    reason = "" if upload.waiting is None else upload.waiting.reason
    start = place("uploads", upload.id, "start")
    if upload.state == "complete" and reason == "held":
        return Act(path=start, does="is delivered; its letter leaves now, whatever left before")
    if reason == "digest":
        return Act(path=start, does="is delivered; its letter leaves now, and waits for no others")
    if reason in _RETRIED:
        retry = place("uploads", upload.id, "retry")
        return Act(path=retry, does=f"{_AT_ONCE}, and keeps its windows")
    return None


def _past_the_window(upload: Upload) -> Act:
    """Give the calls that let an upload go, of which a window keeps the bytes or the delivery."""
    start = place("uploads", upload.id, "start")
    window = f"though its window is closed{_opening(upload)}"
    if upload.state == "idle" and not upload.is_finalizing:
        then = (place("uploads", upload.id, "finalize"),)
        return Act(path=start, does=f"is finalized and delivered at once, {window}", then=then)
    if upload.state == "complete":
        return Act(path=start, does=f"is delivered; its letters leave at once, {window}")
    return Act(path=start, does=f"goes at once, {window}")
