"""Write what a hook is told of a drop.

Owns the words and the two forms, that of Slack and plain JSON. Never reads a row and never sends.
Called by `delivery.hooks`.

Law 1. Names and reasons are hostile: each is cut, escaped, and can be no mention, link or line.
"""

from __future__ import annotations

import json

from masv_watch.delivery.letters import safe, size_text
from masv_watch.figures import counted
from masv_watch.model import Bulletin, HookKind, Told, Upload

#: characters of a name or reason that are told
MOST = 1000

_WORDS = {Told.DELIVERED: "Delivered", Told.FAILED: "Failed", Told.HELD: "Held"}


def body(bulletin: Bulletin, kind: HookKind, *, upload: Upload | None, host: str) -> bytes:
    """Give the body of the request that tells of a bulletin; `upload` is what it is about."""
    said = _told(bulletin, upload)
    if kind is HookKind.SLACK:
        return json.dumps({"text": _slack(said, host)}).encode()
    return json.dumps({**said, "host": host}).encode()


def _told(bulletin: Bulletin, upload: Upload | None) -> dict[str, object]:
    is_upload = bulletin.noun == "upload"
    return {
        # the same at every try, so that a repeat after a lost answer can be folded
        "id": bulletin.id,
        "event": bulletin.told.value,
        "hot_folder": bulletin.hot_folder,
        "name": _cut(bulletin.name),
        "reason": _cut(bulletin.detail),
        "upload_id": bulletin.noun_id if is_upload else None,
        "drop_id": None if is_upload else int(bulletin.noun_id),
        "files": None if upload is None else upload.file_count,
        "bytes": None if upload is None else upload.size,
        # seconds since 1970
        "at": bulletin.at,
    }


def _slack(said: dict[str, object], host: str) -> str:
    word = _WORDS[Told(str(said["event"]))]
    what = f"{word}: {_plain(said['name'])} (hot folder {_plain(said['hot_folder'])})"
    files, size = said["files"], said["bytes"]
    if word == _WORDS[Told.DELIVERED] and isinstance(files, int) and isinstance(size, int):
        what += f", {counted(files, 'file')}, {size_text(size)}"
    if said["reason"]:
        what += f" - {_plain(said['reason'])}"
    if word != _WORDS[Told.DELIVERED]:
        what += f"; masv-watch status on {_plain(host)}"
    return what


def _plain(value: object) -> str:
    """Write a value so that Slack shows it as it is: no mention, no link, no markup."""
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # a zero-width space keeps what looks like markup from being some
    return text.translate({ord(char): f"\u200b{char}" for char in "*_~`"})


def _cut(text: str) -> str:
    shown = safe(text)
    return shown if len(shown) <= MOST else f"{shown[:MOST]}..."
