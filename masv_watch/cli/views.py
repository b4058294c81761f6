"""The commands that only look: status, uploads, show, events.

Owns which calls a look needs and when it ends. Never changes anything at the daemon. Called by the
table of commands.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlencode

from masv_watch.cli import answers, hotfolder, lines, output, seen
from masv_watch.cli.caller import place
from masv_watch.cli.desk import Desk, desk_of
from masv_watch.cli.outcomes import OK, DaemonUnreachable, Refused, WrongUsage
from masv_watch.cli.output import say
from masv_watch.cli.tagged import chosen
from masv_watch.figures import counted
from masv_watch.loops import Bell, SystemClock

T = TypeVar("T")

#: drops that `status` lists one by one
_LISTED = 50
#: seconds between two looks, and how long a daemon that restarts is waited for
LOOK_S = 1.0
PATIENCE_S = 60.0


def status(options: argparse.Namespace) -> int:
    """Say how the daemon is, or one hot folder, what is held and why."""
    desk = desk_of(options)
    if options.folder is not None:
        hotfolder.show(desk, options.folder)
        return OK
    health, ready = desk.caller.get("/readyz", answers.health, 200, 503)
    uploads, listed = desk.caller.get(place("uploads"), answers.uploads)
    drops, held = desk.caller.get(place("drops"), answers.drops)
    folders, known = desk.caller.get(place("hot_folders"), answers.hot_folders)
    if options.tag is not None:
        folders = chosen(options.tag, folders)
        names = {folder.name for folder in folders}
        uploads, listed = _of(names, uploads, listed)
        drops, held = _of(names, drops, held)
        known = [tree for tree in known if tree["name"] in names]
    stats, counted = _stats(desk)
    screen = output.screen()
    if desk.wants_json:
        say(
            json.dumps({**ready, "uploads": listed, "drops": held, "hot_folders": known, **counted})
        )
    elif screen is not None:
        held = [drop for drop in drops if drop.state == "held"]
        others = [drop for drop in drops if drop.state != "held"]
        with output.taken():
            screen.status(health, uploads, [*others[:_LISTED], *held], folders, stats=stats)
        _say_more(others)
    else:
        _status_lines(health, uploads, drops, folders, stats=stats)
    return OK


def _of(names: set[str], rows: list[T], trees: list[answers.Json]) -> tuple[list[T], list[Any]]:
    """Keep the rows of some hot folders, and the trees that they were read from."""
    kept = [at for at, row in enumerate(rows) if getattr(row, "hot_folder", "") in names]
    return [rows[at] for at in kept], [trees[at] for at in kept]


def _stats(desk: Desk) -> tuple[seen.Stats | None, answers.Json]:
    """Ask how all sending goes; a daemon of another age may not know the call."""
    stats, tree = desk.caller.get(place("stats"), answers.stats, 200, 404)
    return stats, {"stats": tree} if stats else {}


def _status_lines(
    health: seen.Health,
    uploads: list[seen.Upload],
    drops: list[seen.Drop],
    folders: list[seen.HotFolder],
    *,
    stats: seen.Stats | None,
) -> None:
    say("ready" if health.is_ready else f"not ready: {health.why}")
    say(*(f"look at: {concern}" for concern in health.concerns))
    say(*(lines.hot_folder_line(folder) for folder in folders if folder.state != "watching"))
    counts = Counter(upload.state for upload in uploads)
    said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    say(f"uploads: {said or 'none yet'}")
    say(*(lines.stats_lines(stats) if stats else ()))
    say(*(lines.upload_line(upload) for upload in uploads if lines.wants_a_look(upload)))
    owed = [upload for upload in uploads if upload.state == "complete" and upload.open_tasks]
    if owed:
        count = counted(len(owed), "upload")
        say(f"delivered, but still to be mailed or moved: {count}")
        say(*(f"  masv-watch show {upload.id}: {upload.name}" for upload in owed[:_LISTED]))
        if len(owed) > _LISTED:
            say(f"  and {len(owed) - _LISTED} more; masv-watch uploads lists them")
    say(*lines.gathering_lines(uploads))
    said_of = list(lines.drop_lines(drops))
    say(*said_of[:_LISTED])
    if len(said_of) > _LISTED:
        say(f"and {len(said_of) - _LISTED} more lines of what settles or is held; --json lists all")


def _say_more(drops: list[seen.Drop]) -> None:
    if len(drops) > _LISTED:
        say(f"and {len(drops) - _LISTED} more that settle; --json lists all")


def uploads(options: argparse.Namespace) -> int:
    """List the uploads, once or until interrupted."""
    desk = desk_of(options)
    path = _listing(options)
    if _is_watched(options):
        return _watch_all(desk, path)
    found, tree = desk.caller.get(path, answers.uploads)
    screen = output.screen()
    if desk.wants_json:
        say(json.dumps(tree))
    elif screen is not None:
        with output.taken():
            screen.uploads(found)
    else:
        if output.is_terminal():
            names = f"{'ID':<36}  {'STATE':<12}  {'SENT':>5}  {'SIZE':>9}  PACKAGE"
            say(names if found else "no uploads")
        say(*(lines.upload_line(upload) for upload in found))
    return OK


def _listing(options: argparse.Namespace) -> str:
    wanted = {
        "state": options.state,
        "type": options.type,
        "hot_folder": options.folder,
        "waiting": "true" if options.waiting else None,
        "sort": options.sort,
        "limit": options.limit,
    }
    query = urlencode({key: value for key, value in wanted.items() if value is not None})
    return place("uploads") + (f"?{query}" if query else "")


def _is_watched(options: argparse.Namespace) -> bool:
    if options.watch and options.json:
        raise WrongUsage("--watch is for people and --json for scripts - give one of them")
    return bool(options.watch)


def _watch_all(desk: Desk, path: str) -> int:
    def look() -> list[seen.Upload]:
        return desk.caller.get(path, answers.uploads)[0]

    screen = output.screen()
    if screen is None:
        said: dict[str, str] = {}
        for found, _ in looks(look):
            changed = [line for line in map(lines.steady_line, found) if _is_news(said, line)]
            say(*changed)
        return OK
    with screen.live() as live:
        for (found, stats), remark in looks(lambda: (look(), _stats(desk)[0])):
            with output.taken():
                live.uploads(found, stats, remark)
    return OK


def _is_news(said: dict[str, str], line: str) -> bool:
    upload_id = line.split(" ", 1)[0]
    is_news = said.get(upload_id) != line
    said[upload_id] = line
    return is_news


def show(options: argparse.Namespace) -> int:
    """Show one upload with its files, once or until it ends."""
    desk = desk_of(options)
    path = place("uploads", desk.upload_id(options.id))
    if _is_watched(options):
        follow(desk, path, until=lambda upload: upload.state in {"complete", "error"})
        return OK
    found, tree = desk.caller.get(path, answers.details)
    screen = output.screen()
    if desk.wants_json or screen is None:
        desk.print(tree, *lines.details_lines(found))
    else:
        with output.taken():
            screen.details(found)
    return OK


def follow(
    desk: Desk, path: str, *, until: Callable[[seen.Upload], bool], is_quiet: bool = False
) -> tuple[seen.Details, answers.Json]:
    """Show one upload as it moves, until it is as wanted; give the last look.

    Raises:
        DaemonUnreachable, Refused
        KeyboardInterrupt: the person has seen enough.
    """

    def look() -> tuple[seen.Details, answers.Json]:
        return desk.caller.get(path, answers.details)

    screen = None if is_quiet else output.screen()
    if screen is None:
        return _followed(look, until=until, is_quiet=is_quiet)
    with screen.live() as live:
        for last, remark in looks(look):
            with output.taken():
                live.details(last[0], remark)
            if until(last[0].upload):
                break
    return last


def _followed(
    look: Callable[[], tuple[seen.Details, answers.Json]],
    *,
    until: Callable[[seen.Upload], bool],
    is_quiet: bool,
) -> tuple[seen.Details, answers.Json]:
    said: dict[str, str] = {}
    for last, _ in looks(look):
        upload = last[0].upload
        line = lines.steady_line(upload)
        if not is_quiet and _is_news(said, line):
            say(line)
        if until(upload):
            break
    return last


def looks(look: Callable[[], T]) -> Iterator[tuple[T, str]]:
    """Look every second for ever; each look comes with a remark when it is an old one.

    A daemon that restarts is waited for; one that never answered is not.

    Raises:
        DaemonUnreachable, Refused
    """
    clock, bell = SystemClock(), Bell()
    last, since = look(), None
    yield last, ""
    while True:
        bell.wait(LOOK_S)
        try:
            last, since = look(), None
        except (DaemonUnreachable, Refused) as error:
            if isinstance(error, Refused) and error.answered < 500:
                raise
            now = clock.monotonic()
            since = now if since is None else since
            if now - since > PATIENCE_S:
                raise
            yield last, f"no answer for {round(now - since)} s; the numbers are old"
        else:
            yield last, ""


def events(options: argparse.Namespace) -> int:
    """Print what happens at the daemon, line by line."""
    desk = desk_of(options)
    query = f"?{urlencode({'after': options.after})}" if options.after is not None else ""
    last = options.after or ""
    data: list[str] = []
    for line in desk.caller.lines(place("events") + query):
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            last = _say_happening(desk, "\n".join(data)) or last
            data.clear()
    after = f" --after {last}" if last else ""
    raise DaemonUnreachable(
        f"the daemon ended the stream of events - masv-watch events{after} goes on from here"
    )


def _say_happening(desk: Desk, text: str) -> str:
    try:
        tree = json.loads(text)
        event = answers.happening(tree)
    except (ValueError, RecursionError, answers.NotOurs) as error:
        raise DaemonUnreachable(
            "the stream of events is not masv-watch's - name its address by --url"
        ) from error
    desk.print(tree, lines.happening_line(event))
    return event.id
