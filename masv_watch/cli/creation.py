"""The commands that give the daemon something to send: create and files.

Owns how a command line becomes the body of a create, and the wait for its end. Never reads what is
to be sent: the daemon walks the paths, by its own rights and the caller's. Called by the table of
commands.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from masv_watch.cli import answers, lines, output, seen
from masv_watch.cli.caller import WALK_S, place
from masv_watch.cli.desk import Desk, desk_of
from masv_watch.cli.outcomes import FAILED, OK, Refused, WrongUsage
from masv_watch.cli.views import follow
from masv_watch.cli.whereabouts import secret_of
from masv_watch.config import units
from masv_watch.config.problems import Wrong
from masv_watch.figures import counted


def create(options: argparse.Namespace) -> int:
    """Make an upload of these paths, and wait for it where that is wished."""
    _check(options)
    desk = desk_of(options)
    route, body = _body(options, desk)
    upload_id, tree = desk.caller.create(route, answers.created, body)
    is_waited_for = options.wait or options.finalize
    if not is_waited_for:
        desk.print(tree, upload_id)
        return OK
    if not desk.wants_json:
        output.say(upload_id)
    try:
        return _waited(desk, upload_id, wants_complete=options.finalize)
    except KeyboardInterrupt:
        output.complain(_farewell(upload_id, wants_complete=options.finalize))
        return FAILED


def _farewell(upload_id: str, *, wants_complete: bool) -> str:
    if wants_complete:
        # the wish to finalize is this command's own, nobody else keeps it
        return (
            f"masv-watch: upload {upload_id} is still sent, but nobody delivers it now"
            f" - masv-watch finalize {upload_id} does, once it is idle"
        )
    return (
        f"masv-watch: upload {upload_id} goes on without this command"
        f" - masv-watch show {upload_id} --watch follows it"
    )


def files(options: argparse.Namespace) -> int:
    """Add paths to an upload that is not finalized."""
    desk = desk_of(options)
    path = place("uploads", desk.upload_id(options.id), "files")
    body = {"paths": absolute(options.paths)}
    upload, tree = desk.caller.send("POST", path, answers.upload, body, within_s=WALK_S)
    desk.print(tree, f"upload {upload.id} has {counted(upload.file_count, 'file')}")
    return OK


def absolute(paths: Sequence[str]) -> list[str]:
    """Make paths absolute, byte for byte as they were typed.

    A byte that is no UTF-8 stands as a lone surrogate, whatever the locale of the shell is. `..` is
    followed as the file system does; a link at the end stays one.
    """
    return [_absolute(os.fsencode(path)).decode("utf-8", "surrogateescape") for path in paths]


def _absolute(path: bytes) -> bytes:
    whole = os.path.join(os.getcwdb(), path)
    if b".." not in whole.split(b"/"):
        return b"/" + os.path.normpath(whole).lstrip(b"/")
    parent, name = os.path.split(whole.rstrip(b"/"))
    if name in {b"..", b"."}:
        return os.path.realpath(whole)
    return os.path.join(os.path.realpath(parent), name)


def _check(options: argparse.Namespace) -> None:
    """Refuse what cannot go together before anything is read or sent."""
    if any(not path for path in options.paths):
        raise WrongUsage("a path is empty - name a file or a folder")
    if options.portal is None:
        for flag, value in (("--sender", options.sender), ("--access-code-file", options.code)):
            if value is not None:
                raise WrongUsage(f"{flag} is for portals - name one by --portal NAME")
        return
    if options.sender is None:
        raise WrongUsage("a portal wants to know who sends - add --sender ADDRESS")
    for flag, value in (("--recipient", options.recipient), ("--password-file", options.password)):
        if value:
            raise WrongUsage(f"{flag} is for packages of a team, a portal knows its own")


def _body(options: argparse.Namespace, desk: Desk) -> tuple[str, dict[str, Any]]:
    body: dict[str, Any] = {
        "paths": absolute(options.paths),
        "package_name": options.name,
        "package_description": options.message,
        "chunk_size": _chunk_size(options.chunk_size),
        "priority": options.priority,
    }
    if options.portal is not None:
        route = place("portals", "uploads")
        body |= {"subdomain": options.portal, "sender_email": options.sender}
        body["access_code"] = _secret(options.code, "access code")
    else:
        route = place("uploads")
        body |= {"subdomain": options.team or desk.where.team, "recipients": options.recipient}
        body["password"] = _secret(options.password, "password")
        if body["subdomain"] is None:
            raise WrongUsage(
                "say where it goes - --team NAME or --portal NAME, or masv.team in the"
                " configuration"
            )
    return route, {key: value for key, value in body.items() if value is not None}


def _secret(path: str | None, what: str) -> str | None:
    return None if path is None else secret_of(path, what).reveal()


def _chunk_size(text: str | None) -> int | None:
    try:
        return None if text is None else units.size(text)
    except Wrong as wrong:
        raise WrongUsage(f"--chunk-size: {wrong.message}") from wrong


def _waited(desk: Desk, upload_id: str, *, wants_complete: bool) -> int:
    """Follow the upload until all is sent, or until it is delivered; say how it ended."""
    until = _Delivery(desk, upload_id).is_over if wants_complete else _is_sent
    is_piped = desk.wants_json or output.screen() is None
    found, tree = follow(desk, place("uploads", upload_id), until=until, is_quiet=is_piped)
    if is_piped:
        desk.print(tree, lines.upload_line(found.upload))
    if found.upload.state != "error":
        return OK
    for clause in lines.clauses(found.upload):
        output.complain(f"masv-watch: upload {upload_id} failed: {clause}")
    return FAILED


class _Delivery:
    """The wait for a delivery, which asks for it as soon as all is sent."""

    def __init__(self, desk: Desk, upload_id: str) -> None:
        self._desk = desk
        self._path = place("uploads", upload_id, "finalize")

    def is_over(self, upload: seen.Upload) -> bool:
        if upload.state == "idle" and not upload.is_finalizing:
            try:
                self._desk.caller.send("POST", self._path, answers.upload)
            except Refused as error:
                # a source that changed meanwhile is sent again first
                if error.answered != 409:
                    raise
        return upload.state in {"complete", "error"}


def _is_sent(upload: seen.Upload) -> bool:
    is_idle = upload.state == "idle" and not upload.is_finalizing
    return is_idle or upload.state in {"complete", "error"}
