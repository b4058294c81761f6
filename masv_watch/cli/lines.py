"""The plain lines of every answer: one thing a line, the same on every machine.

Owns the words and columns that scripts and people read, and how sizes, shares, rates and durations
are written. Never asks, never prints and never colours. Called by the commands and by `screens`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from masv_watch.cli.answers import printable
from masv_watch.cli.seen import (
    Details,
    Drop,
    File,
    Happening,
    HotFolder,
    Link,
    Pace,
    RateLimit,
    Stats,
    Task,
    Upload,
)
from masv_watch.config.units import show_rate
from masv_watch.delivery.letters import size_text
from masv_watch.figures import counted

#: reasons for which an upload waits in the normal course of things
_IN_TURN = frozenset({"queued", "finalizing", "digest"})
#: states in which what failures cost so far is still of interest in a list
_UNDERWAY = frozenset({"transferring", "paused", "error"})


def upload_line(upload: Upload) -> str:
    """Give an upload on one line: what keeps it from moving or from being done, or how it moves."""
    moving = pace(upload)
    return f"{steady_line(upload)}  ({moving})" if moving else steady_line(upload)


def steady_line(upload: Upload) -> str:
    """Give an upload on one line without what is another number at every look."""
    line = (
        f"{upload.id}  {upload.state:<12}  {share(upload.sent, upload.size, upload.state):>5}  "
        f"{size_text(upload.size):>9}  {upload.name}"
    )
    return "  ".join([line, *(f"({clause})" for clause in remarks(upload))])


def share(sent: int, size: int, state: str) -> str:
    """Say how much is acknowledged; 100 % only when all is."""
    if size <= 0:
        return "100 %" if state in {"idle", "complete"} else "0 %"
    return f"{min(sent * 100 // size, 100)} %"


def clauses(upload: Upload) -> Iterator[str]:
    """Say what keeps an upload from moving or from being done."""
    waiting, failure = upload.waiting, upload.failure
    if waiting:
        ahead = f", {counted(waiting.ahead, 'upload')} first" if waiting.ahead else ""
        until = f" until {waiting.until}" if waiting.until else ""
        cure = f": {waiting.cure}" if waiting.cure else ""
        yield f"waits, {waiting.reason}{until}{ahead}{cure}"
    if failure:
        # most messages end with what helps already
        cure = "" if failure.cure in failure.message else failure.cure
        yield " - ".join(word for word in (failure.message, cure) if word)
    if upload.state == "complete" and upload.open_tasks:
        yield f"{counted(upload.open_tasks, 'task')} open"
    if upload.refused_tasks:
        refused = counted(upload.refused_tasks, "task")
        yield f"{refused} refused: masv-watch show {upload.id}"


def remarks(upload: Upload) -> Iterator[str]:
    """Say what keeps an upload from moving or being done, and what failures cost it so far."""
    yield from clauses(upload)
    if upload.state in _UNDERWAY and trouble(upload):
        yield trouble(upload)


def pace(upload: Upload) -> str:
    """Say how an upload moves; empty when it does not."""
    if upload.state != "transferring":
        return ""
    return _moving(upload.rate, upload.eta_s, upload.in_flight)


def _moving(rate: int, eta_s: int | None, in_flight: int) -> str:
    words = [
        rate_text(rate),
        "" if eta_s is None else f"{duration_text(eta_s)} left",
        f"{size_text(in_flight)} on its way" if in_flight else "",
    ]
    return ", ".join(word for word in words if word)


def trouble(upload: Upload) -> str:
    """Say what failures cost an upload so far; empty when they cost nothing."""
    is_said = upload.waiting is not None and upload.waiting.cure == upload.retry_reason
    reason = "" if is_said else upload.retry_reason
    return _cost(upload.retries, upload.resent, reason)


def _cost(retries: int, resent: int, reason: str) -> str:
    words = [
        f"tried again {counted(retries, 'time')}" if retries else "",
        f"{size_text(resent)} sent again" if resent else "",
    ]
    said = ", ".join(word for word in words if word)
    return f"{said}; last reason: {reason}" if said and reason else said


def sending_line(stats: Stats) -> str:
    """Say how the sending of all uploads goes; empty while there is nothing to send."""
    moving = _moving(stats.rate, stats.eta_s, stats.in_flight)
    if not stats.left:
        return ""
    if not moving:
        return f"sending: nothing moves, {size_text(stats.left)} to be sent"
    busy = f" over {counted(stats.busy, 'connection')}" if stats.busy else ""
    return f"sending: {moving}{busy}"


def stats_lines(stats: Stats) -> Iterator[str]:
    """Say how the sending of all uploads goes, and what failures cost it since the start."""
    if sending_line(stats):
        yield sending_line(stats)
    cost = _cost(stats.retries, stats.resent, stats.retry_reason)
    if cost:
        yield f"since {stats.since}: {cost}"


def wants_a_look(upload: Upload) -> bool:
    """Say whether something went wrong, or waits for more than its turn."""
    is_stuck = upload.waiting is not None and upload.waiting.reason not in _IN_TURN
    return upload.state == "error" or is_stuck or bool(upload.refused_tasks)


def gathering_lines(uploads: Iterable[Upload]) -> Iterator[str]:
    """Say how many delivered uploads wait for the next letter to somebody, where any does."""
    waits = [each.waiting for each in uploads if each.waiting and each.waiting.reason == "digest"]
    if waits:
        first = min(waiting.until for waiting in waits)
        yield f"letters that wait for others: of {counted(len(waits), 'upload')}, until {first}"


def drop_line(drop: Drop) -> str:
    """Give a drop on one line, with the reason of its hold and what helps."""
    line = f"{drop.state}: {drop.hot_folder}/{drop.path}"
    if drop.files:
        line = f"{line}, {files_up(drop)}"
    if drop.found_by:
        line = f"{line}, {found_by(drop)}"
    said = ": ".join(word for word in (drop.reason, drop.note) if word)
    line = f"{line} ({said})" if said else line
    return " - ".join(word for word in (line, drop.cure) if word)


def drop_lines(drops: Iterable[Drop]) -> Iterator[str]:
    """Give each drop on one line, and on one those that are held for the very same."""
    groups: dict[object, list[Drop]] = {}
    for at, drop in enumerate(drops):
        same = (drop.hot_folder, drop.reason, drop.note)
        groups.setdefault(same if drop.state == "held" else at, []).append(drop)
    for first, *others in groups.values():
        more = f" and {len(others):,} more" if others else ""
        yield drop_line(replace(first, path=f"{first.path}{more}"))


def held_together(drops: Iterable[Drop]) -> list[tuple[Drop, ...]]:
    """Give what is held by hot folder and reason, so that a screen says each cure once."""
    groups: dict[tuple[str, str], list[Drop]] = {}
    for drop in sorted(drops, key=lambda drop: (drop.hot_folder, drop.path)):
        groups.setdefault((drop.hot_folder, drop.reason), []).append(drop)
    return [tuple(group) for group in groups.values()]


def held_head(group: Sequence[Drop]) -> str:
    """Name the drops of a group by the first of them."""
    more = f" and {len(group) - 1:,} more" if len(group) > 1 else ""
    return f"{group[0].hot_folder}/{group[0].path}{more}"


def held_why(group: Sequence[Drop]) -> str:
    """Say why the drops of a group are held, with what is noted of the first."""
    return ": ".join(word for word in (group[0].reason, group[0].note) if word)


def files_up(drop: Drop) -> str:
    """Say how many of the files that arrived so far the cloud has."""
    return f"{drop.files_up:,} of {counted(drop.files, 'file')} up"


def hot_folder_line(folder: HotFolder) -> str:
    """Give a hot folder on one line."""
    why = folder.reason or folder.question
    since = f", since {folder.away_since}" if folder.away_since else ""
    reason = f" ({why}{since})" if why else ""
    health = "; ".join(health_words(folder))
    return f"hot folder {folder.name}: {folder.state}{reason}{f'; {health}' if health else ''}"


def health_words(folder: HotFolder) -> Iterator[str]:
    """Say what a hot folder takes that is not plain, how it finds it, and what it is known by."""
    if folder.takes and (folder.drop, folder.depth) != ("each", "top"):
        yield f"takes {folder.takes}"
    if folder.mode:
        yield f"found by {folder.mode}"
        yield f"last event {folder.last_event or 'none yet'}"
        yield f"last sweep {folder.last_sweep or 'none yet'}"
    if folder.known_by:
        yield f"known by {folder.known_by}"


def found_by(drop: Drop) -> str:
    """Say what found a drop."""
    return _FOUND.get(drop.found_by, "")


_FOUND = {"event": "found by an event", "sweep": "found by the sweep"}


def details_lines(details: Details) -> Iterator[str]:
    """Give an upload, its files, what was left out and what hangs on it."""
    upload = details.upload
    yield upload_line(upload)
    if upload.state not in _UNDERWAY and trouble(upload):
        yield f"  {trouble(upload)}"
    for file in details.files:
        reason = f"  ({why(file)})" if file.reason else ""
        yield f"  {file.state:<12} {size_text(file.size):>9}  {file.path}{reason}"
    for path, by in details.found:
        if by in _FOUND:
            yield f"  drop {path}: {_FOUND[by]}"
    for left_out in details.skipped:
        yield f"  left out: {left_out}"
    for task in details.tasks:
        yield "  ".join(filter(None, (f"  {task_name(task)}: {task.state}", *task_words(task))))


def why(file: File) -> str:
    """Say why a file waits, how often it was tried, and when it is tried again."""
    tried = f"tried {counted(file.attempts, 'time')}" if file.attempts else ""
    again = f"again at {file.next_try}" if file.next_try else ""
    return "; ".join(
        word for word in (file.reason, ", ".join(filter(None, (tried, again)))) if word
    )


def task_words(task: Task) -> Iterator[str]:
    """Say when an obligation that waits is next tried, in which company, and what came of it."""
    company = f"in a letter with {counted(task.companions, 'other')}" if task.companions else ""
    again = f"at {task.next_try}" if task.next_try else ""
    yield " ".join(filter(None, (company, again)))
    yield task.note


def task_name(task: Task) -> str:
    """Say what an obligation is."""
    if task.kind == "letter":
        return f"letter to {task.key}"
    if task.kind == "retire":
        return f"replaced package of {task.key}"
    return {"link": "share link", "dispose": "source"}.get(task.kind, task.kind)


def happening_line(event: Happening) -> str:
    """Give an event on one line."""
    moved = f" {event.before} -> {event.after}" if event.before or event.after else ""
    detail = f" ({event.detail})" if event.detail else ""
    return f"{event.at}  {event.noun} {event.noun_id}  {event.event}{moved}{detail}"


def link_lines(link: Link) -> Iterator[str]:
    """Give the five values of a share link."""
    yield f"id: {printable(link.id)}"
    yield f"secret: {printable(link.secret)}"
    yield f"email: {link.email}"
    yield f"expiry: {link.expiry}"
    yield f"locked: {'true' if link.is_locked else 'false'}"


def limit_lines(limit: RateLimit) -> Iterator[str]:
    """Say how fast uploads may go, and who says so."""
    total, *folders = limit.paces
    yield _pace_line("all uploads", total) + _SAID_BY.get(limit.source, "")
    for pace in folders:
        yield _pace_line(f"hot folder {pace.name}", pace)


_SAID_BY = {
    "api": ", as set by `masv-watch limit` or the API",
    "config": ", as the configuration says",
}


def _pace_line(whose: str, pace: Pace) -> str:
    rate = f"at most {show_rate(pace.rate // 8)}" if pace.rate else "no limit"
    return f"{whose}: {rate}{f' until {pace.until}' if pace.until else ''}"


def rate_text(bytes_per_s: int) -> str:
    """Say how fast something moves; empty while it does not."""
    return f"{size_text(bytes_per_s)}/s" if bytes_per_s else ""


def duration_text(seconds: int | None) -> str:
    """Say how long something still takes; empty while that is not known."""
    if seconds is None:
        return ""
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    clock = f"{hours}:{rest // 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock


def time_text(iso: str) -> str:
    """Write a time of the API for people; what is none stays as it is."""
    day, _, clock = iso.partition("T")
    seconds, _, rest = clock.partition(".")
    return f"{day} {seconds} UTC" if seconds and rest.endswith("Z") else iso


def short_ids(ids: Iterable[str], *, at_least: int = 8) -> dict[str, str]:
    """Give the shortest beginnings that still tell these ids apart."""
    ordered = sorted(set(ids))
    short = {}
    for at, one in enumerate(ordered):
        beside = (*ordered[max(at - 1, 0) : at], *ordered[at + 1 : at + 2])
        length = max([at_least, *(_common(one, other) + 1 for other in beside)])
        short[one] = one[:length]
    return short


def _common(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (mine, yours) in enumerate(pairs) if mine != yours), len(one))
