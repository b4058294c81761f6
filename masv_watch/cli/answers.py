"""What the daemon answers, as values that commands can print.

Owns the reading of every answer: what must be there, what may be missing, and the escaping. Never
asks and never prints. Called by the commands, with the JSON that `caller` brought.

Law 1. Text is escaped here, once: no control character of an answer reaches a terminal.
Law 2. An answer of something else than masv-watch is refused in words, never by a crash later.
Law 3. Unknown keys are passed over and new ones may be missing: the daemon may be of another age.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from masv_watch import logs
from masv_watch.cli.seen import (
    Details,
    Drop,
    Failure,
    File,
    Happening,
    Health,
    HotFolder,
    Link,
    Pace,
    RateLimit,
    Stats,
    Task,
    Upload,
    Waiting,
)

Json = Any

_LONGEST_TEXT = 2000


class NotOurs(Exception):
    """An answer is not masv-watch's; the text says what is odd about it."""


def printable(text: str) -> str:
    """Escape what a terminal would act on.

    The daemon escapes names already; the backslashes of those are not doubled once more.
    """
    shown = text if text.isprintable() else logs.escaped(text)
    return shown if len(shown) <= _LONGEST_TEXT else f"{shown[:_LONGEST_TEXT]}..."


def uploads(tree: Json) -> list[Upload]:
    """Read the list of uploads.

    Raises:
        NotOurs: it is none.
    """
    return [upload(one) for one in _list(tree, "a list of uploads")]


def upload(tree: Json) -> Upload:
    """Read one upload, in the list's form or with its details.

    Raises:
        NotOurs: it is none.
    """
    return Upload(
        id=needed(tree, "upload_id"),
        type=text(tree, "type"),
        state=needed(tree, "state"),
        name=text(tree, "package_name"),
        sent=_number(tree, "progress"),
        size=_number(tree, "size"),
        created_at=text(tree, "created_at"),
        hot_folder=text(tree, "hot_folder"),
        file_count=_number(tree, "files_total"),
        priority=_number(tree, "priority"),
        waiting=_waiting(_mapping(tree).get("waiting")),
        failure=_failure(_mapping(tree).get("error")),
        open_tasks=_number(tree, "open_tasks"),
        refused_tasks=_number(tree, "refused_tasks"),
        in_flight=_number(tree, "bytes_in_flight"),
        rate=_number(tree, "rate_bytes_per_s"),
        eta_s=number_if_known(tree, "eta_s"),
        resent=_number(tree, "bytes_resent"),
        retries=_number(_retries(tree), "count"),
        retry_reason=text(_retries(tree), "last_reason"),
    )


def _retries(tree: Json) -> Json:
    return _mapping(tree).get("retries") or {}


def _waiting(tree: Json) -> Waiting | None:
    if tree is None:
        return None
    return Waiting(
        reason=needed(tree, "reason"),
        until=text(tree, "until"),
        ahead=_number(tree, "ahead"),
        cure=text(tree, "cure"),
    )


def _failure(tree: Json) -> Failure | None:
    if tree is None:
        return None
    return Failure(message=text(tree, "message"), cure=text(tree, "cure"))


def details(tree: Json) -> Details:
    """Read an upload with its files.

    Raises:
        NotOurs: it is none.
    """
    return Details(
        upload=upload(tree),
        to=tuple(_plain(one, "to") for one in members(tree, "to")),
        files=tuple(
            File(
                path=text(one, "path"),
                state=needed(one, "state"),
                sent=_number(one, "progress"),
                size=_number(one, "size"),
                reason=text(one, "reason"),
                attempts=_number(one, "attempts"),
                next_try=text(one, "next_try"),
            )
            for one in members(tree, "files")
        ),
        found=tuple((text(one, "path"), text(one, "found_by")) for one in members(tree, "drops")),
        skipped=tuple(_plain(one, "skipped") for one in members(tree, "skipped")),
        tasks=tuple(
            Task(
                kind=needed(one, "kind"),
                key=text(one, "key"),
                state=needed(one, "state"),
                note=text(one, "note"),
                next_try=text(one, "next_try"),
                companions=_number(one, "companions"),
            )
            for one in members(tree, "tasks")
        ),
    )


def drops(tree: Json) -> list[Drop]:
    """Read the list of what arrives, settles or is held.

    Raises:
        NotOurs: it is none.
    """
    return [drop(one) for one in _list(tree, "a list of drops")]


def drop(tree: Json) -> Drop:
    """Read one drop.

    Raises:
        NotOurs: it is none.
    """
    return Drop(
        hot_folder=needed(tree, "hot_folder"),
        path=text(tree, "path"),
        state=needed(tree, "state"),
        id=_number(tree, "id"),
        generation=_number(tree, "generation"),
        upload_id=text(tree, "upload_id"),
        reason=text(tree, "reason"),
        note=text(tree, "note"),
        cure=text(tree, "cure"),
        found_by=text(tree, "found_by"),
        volume=text(tree, "volume"),
        files=_number(tree, "files"),
        files_up=_number(tree, "files_up"),
    )


def hot_folders(tree: Json) -> list[HotFolder]:
    """Read the list of hot folders.

    Raises:
        NotOurs: it is none.
    """
    return [hot_folder(one) for one in _list(tree, "a list of hot folders")]


def hot_folder(tree: Json) -> HotFolder:
    """Read one hot folder.

    Raises:
        NotOurs: it is none.
    """
    return HotFolder(
        name=needed(tree, "name"),
        state=needed(tree, "state"),
        path=text(tree, "path"),
        tags=_tags(tree),
        to=text(tree, "to"),
        reason=text(tree, "reason"),
        last_sweep=text(tree, "last_sweep"),
        last_event=text(tree, "last_event"),
        mode=text(tree, "mode"),
        known_by=text(tree, "known_by"),
        away_since=text(tree, "away_since"),
        question=text(tree, "question"),
        settling=_number(tree, "settling"),
        held=_number(tree, "held"),
        drop=text(tree, "drop"),
        depth=text(tree, "depth"),
        takes=text(_rule(tree), "takes"),
        quiet=_quiet(_section(tree, "quiet")),
        writers=text(_section(tree, "quiet"), "writers"),
        told_by=text(_section(tree, "quiet"), "told_by"),
        everything_at=text(_section(tree, "look"), "everything_at"),
        rule=tuple(_asked_for(_rule(tree))),
    )


def _section(tree: Json, key: str) -> dict[str, Json]:
    # there is none before the first look, and from a daemon of another age
    said = tree.get(key) if isinstance(tree, dict) else None
    return said if isinstance(said, dict) else {}


def _quiet(said: dict[str, Json]) -> str:
    return f"{_written(said.get('seconds')) or 0} s, {text(said, 'why')}" if said else ""


def _rule(tree: Json) -> dict[str, Json]:
    # a daemon of another age has none
    said = tree.get("rule") if isinstance(tree, dict) else None
    return said if isinstance(said, dict) else {}


def _asked_for(rule: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Give what a rule asks for beside what it takes; what is not set is left out."""
    for key, value in rule.items():
        written = _written(value)
        if key != "takes" and written:
            yield printable(str(key)), printable(written)


def _written(value: Json) -> str:
    """Write a setting for people; "" for one that says nothing."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_written, value)))
    if isinstance(value, dict):
        return ": ".join(filter(None, map(_written, value.values())))
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value
    # nothing of what is counted is nothing that is asked for
    return "" if value is None or value == 0 else str(value)


def _tags(tree: Json) -> tuple[str, ...]:
    # a daemon of another age has none
    said = tree.get("tags") if isinstance(tree, dict) else None
    return tuple(str(each) for each in said) if isinstance(said, list) else ()


def health(tree: Json) -> Health:
    """Read how the daemon is.

    Raises:
        NotOurs: it is something else.
    """
    ready = _mapping(tree).get("ready")
    if not isinstance(ready, bool):
        raise NotOurs("`ready` is missing")
    concerns = tuple(_plain(one, "concerns") for one in members(tree, "concerns"))
    return Health(is_ready=ready, why=text(tree, "why"), concerns=concerns)


def stats(tree: Json) -> Stats | None:
    """Read how the sending of all goes; None from a daemon that does not know the call.

    Raises:
        NotOurs: it is something else.
    """
    if "rate_bytes_per_s" not in _mapping(tree):
        return None
    return Stats(
        rate=_number(tree, "rate_bytes_per_s"),
        eta_s=number_if_known(tree, "eta_s"),
        left=_number(tree, "bytes_left"),
        in_flight=_number(tree, "bytes_in_flight"),
        busy=_number(tree, "connections_busy"),
        resent=_number(tree, "bytes_resent"),
        retries=_number(_retries(tree), "count"),
        retry_reason=text(_retries(tree), "last_reason"),
        since=text(tree, "since"),
    )


def count(tree: Json, key: str) -> int:
    """Read how many things a call changed.

    Raises:
        NotOurs: it says no number.
    """
    if key not in _mapping(tree):
        raise NotOurs(f"`{key}` is missing")
    return _number(tree, key)


def created(tree: Json) -> str:
    """Read the id of an upload that was made or deleted.

    Raises:
        NotOurs: there is none.
    """
    return needed(tree, "upload_id")


def link(tree: Json) -> Link:
    """Read a share link.

    Raises:
        NotOurs: it is none.
    """
    return Link(
        id=_raw(tree, "id"),
        secret=_raw(tree, "secret"),
        email=text(tree, "email"),
        expiry=text(tree, "expiry"),
        is_locked=_mapping(tree).get("locked") is True,
    )


def rate_limit(tree: Json) -> RateLimit:
    """Read the limits of bandwidth.

    Raises:
        NotOurs: it is something else.
    """
    folders = [_pace(one, needed(one, "name")) for one in members(tree, "hot_folders")]
    total = _pace(_mapping(tree).get("now"), "")
    return RateLimit(source=needed(tree, "source"), paces=(total, *folders))


def _pace(tree: Json, name: str) -> Pace:
    return Pace(name=name, rate=_number(tree, "rate_limit_bps"), until=text(tree, "until"))


def happening(tree: Json) -> Happening:
    """Read one event.

    Raises:
        NotOurs: it is none.
    """
    return Happening(
        id=_word(tree, "id"),
        at=text(tree, "at"),
        noun=text(tree, "noun"),
        noun_id=_word(tree, "noun_id"),
        event=needed(tree, "event"),
        before=text(tree, "before"),
        after=text(tree, "after"),
        detail=text(tree, "detail"),
    )


def _mapping(tree: Json) -> dict[str, Json]:
    if not isinstance(tree, dict):
        raise NotOurs("an object is missing")
    return tree


def _list(tree: Json, what: str) -> list[Json]:
    if not isinstance(tree, list):
        raise NotOurs(f"it is not {what}")
    return tree


def members(tree: Json, key: str) -> list[Json]:
    """Read a list, which may be missing.

    Raises:
        NotOurs: it is something else.
    """
    return _list(_mapping(tree).get(key) or [], f"a list in `{key}`")


def _raw(tree: Json, key: str) -> str:
    found = _mapping(tree).get(key)
    if not isinstance(found, str) or not found:
        raise NotOurs(f"`{key}` is missing")
    return found


def needed(tree: Json, key: str) -> str:
    """Read text that must be there.

    Raises:
        NotOurs: it is not.
    """
    return printable(_raw(tree, key))


def text(tree: Json, key: str) -> str:
    """Read text; "" where there is none.

    Raises:
        NotOurs: it is something else.
    """
    found = _mapping(tree).get(key)
    return "" if found is None else _plain(found, key)


def _plain(found: Json, key: str) -> str:
    if not isinstance(found, str):
        raise NotOurs(f"`{key}` is no text")
    return printable(found)


def _word(tree: Json, key: str) -> str:
    """Read an id that may be a number."""
    found = _mapping(tree).get(key)
    is_number = isinstance(found, int) and not isinstance(found, bool)
    return str(found) if is_number else text(tree, key)


def number_if_known(tree: Json, key: str) -> int | None:
    """Read a whole number, None where there is none.

    Raises:
        NotOurs: it is something else.
    """
    return None if _mapping(tree).get(key) is None else _number(tree, key)


def _number(tree: Json, key: str) -> int:
    found = _mapping(tree).get(key)
    if found is None:
        return 0
    if not isinstance(found, int) or isinstance(found, bool):
        raise NotOurs(f"`{key}` is no whole number")
    return found
