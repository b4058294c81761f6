"""The commands that steer: uploads by their id, hot folders by their name, all at once.

Owns which call a verb makes and the sentence about what it did. Never decides whether it may: the
daemon does, and its refusal is printed. Called by the table of commands.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from masv_watch.cli import answers, lines, output
from masv_watch.cli.caller import place
from masv_watch.cli.desk import Desk, desk_of
from masv_watch.cli.outcomes import OK, Ended, WrongUsage
from masv_watch.cli.tagged import names_of
from masv_watch.cloud.wire import link_url
from masv_watch.config import timetable
from masv_watch.config.problems import Wrong
from masv_watch.delivery.letters import size_text
from masv_watch.figures import counted
from masv_watch.model import Secret

_DONE = {
    "pause": "is paused",
    "resume": "goes on",
    "finalize": "is being finalized",
    "start": "goes at once",
}


def pause(options: argparse.Namespace) -> int:
    """Stop sending: one upload, all of them, or what a hot folder begins."""
    return _steer(options, "pause")


def resume(options: argparse.Namespace) -> int:
    """Let go on what is paused or failed."""
    return _steer(options, "resume")


def finalize(options: argparse.Namespace) -> int:
    """Ask for the delivery of an idle upload, or of what a hot folder has open."""
    return _steer(options, "finalize")


def start(options: argparse.Namespace) -> int:
    """Let an upload go before its turn."""
    return _steer(options, "start")


def _steer(options: argparse.Namespace, verb: str) -> int:
    desk = desk_of(options)
    if getattr(options, "all", False):
        count, tree = desk.caller.send(
            "POST", place("uploads", verb), lambda tree: answers.count(tree, "changed")
        )
        does = "paused" if verb == "pause" else "resumed"
        desk.print(tree, f"{does} {counted(count, 'upload')}")
    elif getattr(options, "tag", None) is not None:
        _steer_tagged(desk, options.tag, verb)
    elif getattr(options, "folder", None) is not None:
        _steer_folder(desk, options.folder, verb)
    else:
        upload_id = desk.upload_id(options.id)
        upload, tree = desk.caller.send("POST", place("uploads", upload_id, verb), answers.upload)
        does = "is complete" if upload.state == "complete" else _DONE[verb]
        desk.print(tree, f"upload {upload.id} {does}")
    return OK


def _steer_tagged(desk: Desk, tag: str, verb: str) -> None:
    for name in names_of(desk, tag):
        _steer_folder(desk, name, verb)


def _steer_folder(desk: Desk, name: str, verb: str) -> None:
    folder, tree = desk.caller.send("POST", place("hot_folders", name, verb), answers.hot_folder)
    does = {
        "pause": "is paused: nothing new is taken from it",
        "resume": "is watched again",
        "finalize": "is being finalized: what it has open is delivered",
        "scan": "is swept now",
        "adopt": "takes what stands at its path for its own",
        "adopt_archive": "moves what is delivered to what stands at its target now",
    }
    desk.print(tree, f"hot folder {folder.name} {does[verb]}")


def scan(options: argparse.Namespace) -> int:
    """Let a hot folder be swept now."""
    desk = desk_of(options)
    if options.tag is not None:
        _steer_tagged(desk, options.tag, "scan")
    else:
        _steer_folder(desk, options.folder, "scan")
    return OK


def adopt(options: argparse.Namespace) -> int:
    """Take whatever stands at a hot folder's path for its root, or at its target its archive."""
    verb = "adopt_archive" if options.archive else "adopt"
    _steer_folder(desk_of(options), options.folder, verb)
    return OK


def release(options: argparse.Namespace) -> int:
    """Send what is held: one drop, or what the first start of a hot folder held."""
    if options.drop is not None:
        desk = desk_of(options)
        drop, tree = desk.caller.send("POST", place("drops", options.drop, "release"), answers.drop)
        let_go = drop.note.removeprefix("released: ")
        what = "" if let_go == drop.note else f" ({let_go})"
        desk.print(tree, f"released {drop.hot_folder}/{drop.path}: sent once quiet{what}")
        return OK
    return _answer_initial(
        options,
        "release",
        lambda count: f"released {counted(count, 'drop')}: sent once quiet",
    )


def seed(options: argparse.Namespace) -> int:
    """Record what the first start of a hot folder held as seen."""
    return _answer_initial(
        options,
        "seed",
        lambda count: f"recorded {counted(count, 'drop')} as seen: never sent",
    )


def _answer_initial(options: argparse.Namespace, verb: str, sentence: Callable[[int], str]) -> int:
    desk = desk_of(options)
    count, tree = desk.caller.send(
        "POST",
        place("hot_folders", options.folder, verb),
        lambda tree: answers.count(tree, "drops"),
    )
    desk.print(tree, sentence(count))
    return OK


def delete(options: argparse.Namespace) -> int:
    """Delete an upload; a person is asked first."""
    desk = desk_of(options)
    upload_id = desk.upload_id(options.id)
    path = place("uploads", upload_id)
    if not options.yes:
        _ask_to_delete(desk, path, takes_package=options.package)
    query = "?package=delete" if options.package else ""
    gone, tree = desk.caller.send("DELETE", path + query, answers.created)
    package = ", and its package at MASV with it" if options.package else ""
    desk.print(tree, f"upload {gone} is deleted{package}")
    return OK


def _ask_to_delete(desk: Desk, path: str, *, takes_package: bool) -> None:
    if not output.is_asked():
        if takes_package:
            raise WrongUsage(
                "--package deletes what was delivered - say --yes to do it without being asked"
            )
        return
    upload, _ = desk.caller.get(path, answers.upload)
    size = size_text(upload.size)
    if upload.state == "complete":
        fate = (
            "The package at MASV and its links are deleted."
            if takes_package
            else ("The package stays delivered, its links live on.")
        )
    else:
        fate = "Its unfinished package is deleted at MASV."
    question = f"Delete upload {upload.id}: {upload.name}, {size}, {upload.state}? {fate}"
    if not output.agrees(f"{question} Source files stay."):
        raise Ended("nothing was deleted")


def link(options: argparse.Namespace) -> int:
    """Print a share link of a delivered upload."""
    desk = desk_of(options)
    path = place("uploads", desk.upload_id(options.id), "link")
    made, tree = desk.caller.send("POST", path, answers.link)
    if desk.where.link_url is None:
        desk.print(tree, *lines.link_lines(made))
    else:
        desk.print(tree, link_url(desk.where.link_url, made.id, Secret(made.secret)))
    if made.is_locked:
        output.complain("masv-watch: the link is locked at MASV: nobody can download by it now")
    return OK


def priority(options: argparse.Namespace) -> int:
    """Move an upload forward or back among those that wait."""
    desk = desk_of(options)
    body: dict[str, Any] = {"priority": options.priority}
    path = place("uploads", desk.upload_id(options.id))
    upload, tree = desk.caller.send("PATCH", path, answers.upload, body)
    desk.print(tree, f"upload {upload.id} has priority {upload.priority}")
    return OK


def limit(options: argparse.Namespace) -> int:
    """Show or set how fast all uploads together may go."""
    desk = desk_of(options)
    path = place("settings", "upload_rate_limit")
    rate = " ".join(options.rate)
    if rate in {"", "show"}:
        found, tree = desk.caller.get(path, answers.rate_limit)
    elif rate == "config":
        found, tree = desk.caller.send("DELETE", path, answers.rate_limit)
    else:
        body = _wished_rate(rate)
        found, tree = desk.caller.send("POST", path, answers.rate_limit, body)
    desk.print(tree, *lines.limit_lines(found))
    return OK


def _wished_rate(rate: str) -> dict[str, Any]:
    if rate == "off":
        return {"enabled": False}
    try:
        wished = timetable.limit(rate)
    except Wrong as wrong:
        raise WrongUsage(f"limit: {wrong.message}") from wrong
    return {"enabled": False} if wished is None else {"enabled": True, "rate_limit_bps": wished * 8}
