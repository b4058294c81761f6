"""The command that tries out a folder's mount and says what masv-watch will do there.

Owns what each answer of the self-test means, in the numbers that the watch itself uses, and how
that is printed. Never probes: `selftest` does. Called by the table of commands.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import signal
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from masv_watch.cli.endings import Ending
from masv_watch.cli.folders import target_of
from masv_watch.cli.lines import counted
from masv_watch.cli.outcomes import FAILED, OK
from masv_watch.cli.output import say
from masv_watch.config.units import show_duration
from masv_watch.delivery.letters import size_text
from masv_watch.loops import Bell, SystemClock
from masv_watch.model import Rule, Settle
from masv_watch.names import shown
from masv_watch.selftest import Heard, Sounding, sound
from masv_watch.watch.budget import watches_line
from masv_watch.watch.gaps import Quiet, quiet_time
from masv_watch.watch.hints import Hints, Sight
from masv_watch.watch.intake import PERIOD_S

#: seconds that a notification may take, and between two looks at a Ctrl-C meanwhile
_HEARING_S, _STEP_S = 2.0, 0.1
#: seconds between two clocks that nobody needs to know of
_SAME_TIME_S = 5.0
_GRAINS = {1: "1 ns", 100: "100 ns", 1000: "1 us", 10**6: "1 ms", 10**7: "10 ms"}


class Line(NamedTuple):
    """One probe with what follows."""

    test: str
    #: `ok`, `note` for what is worth knowing, `bad` for what keeps drops from being delivered
    state: str
    result: str
    #: what masv-watch does because of it
    use: str


def selftest(options: argparse.Namespace) -> int:
    """Try out a folder and print each result with what masv-watch does because of it."""
    target = target_of(options.folder, options)
    ending = Ending()
    # a program that opens the probe's file while it is leased must not end this process
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    ending.listen()
    try:
        found = sound(
            target.folder,
            ear=lambda path, change: _hear(path, change, lambda: ending.check(_LEFT)),
            clock=SystemClock(),
            proceed=lambda: ending.check(_LEFT),
        )
    finally:
        ending.stop()
        signal.signal(signal.SIGIO, before)
    lines = list(lines_of(found, target.rule))
    if options.json:
        say(json.dumps(_record(found, target.rule, lines)))
    else:
        name = f" (hot folder {target.rule.name})" if target.rule else ""
        say(f"selftest of {shown(found.path)}{name} as user {_user()}")
        width = max(len(line.test) for line in lines)
        say(*(f"{line.state:<4}  {line.test:<{width}}  {_told(line)}" for line in lines))
    return FAILED if any(line.state == "bad" for line in lines) else OK


_LEFT = "nothing of the probes stays in the folder"


def _told(line: Line) -> str:
    return f"{line.result} -> {line.use}" if line.use else line.result


def _hear(path: bytes, change: Callable[[], None], proceed: Callable[[], None]) -> Heard:
    """Listen as the watch does while a file is made."""
    bell = Bell()
    hints = Hints(lambda _hot_folder: bell.ring())
    try:
        mode = hints.arm("selftest", path)
        if mode.sight is Sight.BLIND:
            return Heard(is_heard=None, why="changes of other machines are not announced there")
        if mode.sight is not Sight.EVENTS:
            return Heard(is_heard=False, why=mode.why)
        change()
        for _ in range(round(_HEARING_S / _STEP_S)):
            if bell.wait(_STEP_S):
                return Heard(is_heard=True)
            proceed()
        return Heard(is_heard=False, why=f"a change was not announced within {_HEARING_S:g} s")
    finally:
        hints.stop()


def sight_of(found: Sounding) -> Sight:
    """Say how far the watch would trust notifications there."""
    if found.heard is None:
        # nothing could be made there: only the file system's kind is known
        return Sight.BLIND if found.mount.is_network else Sight.EVENTS
    if found.heard.is_heard is None:
        return Sight.BLIND
    return Sight.EVENTS if found.heard.is_heard else Sight.DEGRADED


def lines_of(found: Sounding, rule: Rule | None) -> Iterator[Line]:
    """Give every result with what follows from it."""
    yield _filesystem(found)
    yield _rights(found)
    yield from _detecting(found)
    yield from _settling(found, rule)
    yield from _names(found)
    yield from _after(found, rule)
    free = f"{size_text(found.room.free)} of {size_text(found.room.total)} free"
    yield Line("room", "ok", free, "none is needed here: files are sent from where they lie")
    for failure in found.failed:
        name, _, why = failure.partition(": ")
        yield Line(name, "note", f"could not be tried: {why}", "")


def _filesystem(found: Sounding) -> Line:
    mount = found.mount
    kind = mount.filesystem or "unknown"
    where = "network" if mount.is_network else "local"
    medium = ", removable medium" if mount.is_removable else ""
    use = "sweeps decide, with the quiet time of a network" if mount.is_network else (
        "treated as local"
    )  # fmt: skip
    return Line("filesystem", "ok", f"{kind} on {mount.source or '?'}, {where}{medium}", use)


def _rights(found: Sounding) -> Line:
    if not found.unwritable:
        return Line("write", "ok", "files can be made here", "")
    why = "mounted read-only" if found.mount.is_read_only else found.unwritable
    use = "drops are sent and stay; what needs a file of our own is not tried"
    return Line("write", "note", f"nothing can be made here: {why}", use)


def _detecting(found: Sounding) -> Iterator[Line]:
    sight = sight_of(found)
    period = show_duration(PERIOD_S[sight])
    heard = found.heard
    if heard is None:
        result, state = "could not be tried", "note"
    elif heard.is_heard:
        result, state = "a change was announced", "ok"
    else:
        result, state = heard.why, "ok" if heard.is_heard is None else "note"
    use = f"a sweep every {period}"
    if sight is Sight.EVENTS:
        use = f"changes are looked at as they are announced, and {use}"
    yield Line("events", state, result, use)
    yield _notifications(found)


def _notifications(found: Sounding) -> Line:
    need = found.need
    result = f"{'at least ' if need.is_cut else ''}{counted(need.folders, 'folder')}"
    if need.limit is None or found.mount.is_network:
        return Line("watches", "ok", result, "no notification is needed for them")
    result += f", {need.used} of {need.limit} watches of this user in use"
    if need.used + need.folders <= need.limit:
        return Line("watches", "ok", result, "there are enough")
    use = f"too few, so a sweep every {show_duration(PERIOD_S[Sight.DEGRADED])} decides: run"
    return Line("watches", "note", result, f"{use} {watches_line(need.used + need.folders)}")


def _settling(found: Sounding, rule: Rule | None) -> Iterator[Line]:
    settle = rule.settle if rule else Settle()
    quiet = _quiet(found, settle)
    result = f"{show_duration(quiet.seconds)} without a change, {settle.samples} samples"
    yield Line("quiet", "ok", result, quiet.why)
    grain = found.mtime_grain_ns
    if grain is not None:
        shown_grain = _GRAINS.get(grain, f"{grain / 1e9:g} s")
        if grain / 1e9 >= quiet.seconds:
            use = f"set settle.quiet to more than {shown_grain}: a rewrite within it is unseen"
            yield Line("mtime", "bad", f"times are kept to {shown_grain}", use)
        else:
            yield Line("mtime", "ok", f"times are kept to {shown_grain}", "compared as they are")
    elif not found.unwritable:
        use = "every copy looks new: drops are told by what the file system writes"
        yield Line("mtime", "note", "a time that a program sets is not kept", use)
    yield from _identity(found)
    yield from _lease(found, settle)
    if found.skew_s is not None:
        is_same = abs(found.skew_s) <= _SAME_TIME_S
        ahead = f"{abs(found.skew_s):.0f} s {'ahead of' if found.skew_s > 0 else 'behind'}"
        result = "as this machine's" if is_same else f"{ahead} this machine's"
        use = "times of files are compared with each other, never with this machine's clock"
        yield Line("clock", "ok" if is_same else "note", result, use)


def _identity(found: Sounding) -> Iterator[Line]:
    if found.keeps_inode is None or found.keeps_ctime is None:
        return
    if found.keeps_inode and found.keeps_ctime:
        result = "inode and change time of an untouched file stay"
        yield Line("identity", "ok", result, "both are part of a file's identity")
        return
    what = "inode" if not found.keeps_inode else "change time"
    use = "every look seems a change, so nothing settles: mount it with stable inodes"
    yield Line("identity", "bad", f"the {what} of an untouched file changes", use)


def _quiet(found: Sounding, settle: Settle) -> Quiet:
    return quiet_time(settle, "network" if found.mount.is_network else "local")


def _lease(found: Sounding, settle: Settle) -> Iterator[Line]:
    if found.lease is None:
        return
    if not found.lease.sees_writers:
        use = "the quiet time alone decides"
        yield Line("lease", "note", f"writers are not seen: {found.lease.why_not}", use)
        return
    whose = "of every user" if found.lease.of_every_user else "that belong to this user"
    result = f"writers on this machine are seen, in files {whose}"
    use = "the kernel is asked for them before a drop goes"
    if found.mount.is_network:
        use = "not asked: those on other machines are not seen"
    elif not settle.asks_for_writers:
        use = "not asked: the rule says open_check: never"
    yield Line("lease", "ok", result, use)


def _names(found: Sounding) -> Iterator[Line]:
    if found.naming is not None:
        folded = [
            word
            for word, folds in (
                ("case", found.naming.folds_case), ("accents", found.naming.folds_accents),
            )
            if folds
        ]  # fmt: skip
        result = f"{' and '.join(folded)} do not tell names apart" if folded else "as written"
        if not found.naming.takes_bytes:
            result += ", UTF-8 only"
        use = "names are compared and sent byte for byte, and patterns match as they are written"
        yield Line("names", "note" if folded else "ok", result, use)
    renaming = found.renaming
    if renaming is None:
        return
    if not renaming.keeps_file:
        use = "a renamed file counts as a new one"
        yield Line("rename", "note", "a rename makes another file", use)
        return
    by = "refused by the rename itself" if renaming.is_exclusive else (
        "refused by a hard link" if renaming.has_hard_links else "reserved first"
    )  # fmt: skip
    result = "one step, and the file stays the same"
    yield Line("rename", "ok", result, f"a taken name is {by}; `drop` and `after` overwrite none")


def _after(found: Sounding, rule: Rule | None) -> Iterator[Line]:
    after = "keep" if rule is None else rule.after.delivered
    wish = {"move": "moved", "delete": "removed"}.get(after, "")
    if found.stays:
        state, use = "bad", "take it away by hand; nobody sends it"
        yield Line("delete", state, found.stays, use)
    elif found.can_delete is None:
        use = f"the rule wants delivered sources {wish}, which fails" if wish else (
            "delivered sources stay, as the rule says"
        )  # fmt: skip
        yield Line("delete", "bad" if wish else "ok", "no right to remove anything here", use)
    elif found.is_sticky:
        use = f"sources of other users cannot be {wish}" if wish else "delivered sources stay"
        result = "only own files: the folder is sticky"
        yield Line("delete", "note" if wish else "ok", result, use)
    else:
        use = f"delivered sources are {wish}" if wish else "delivered sources stay"
        yield Line("delete", "ok", "what is made here can be removed", use)


def _asks(found: Sounding, settle: Settle) -> bool | None:
    """Say whether writers are asked about with success; None where that was not tried."""
    if found.lease is None:
        return None
    return found.lease.sees_writers and settle.asks_for_writers and not found.mount.is_network


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _record(found: Sounding, rule: Rule | None, lines: list[Line]) -> dict[str, Any]:
    settle, sight = (rule.settle if rule else Settle()), sight_of(found)
    return {
        "folder": rule.name if rule else None,
        "path": shown(found.path),
        "user": _user(),
        "probes": [line._asdict() for line in lines],
        "settings": {
            "detect": "events" if sight is Sight.EVENTS else "sweep",
            "sweep_s": PERIOD_S[sight],
            "quiet_s": _quiet(found, settle).seconds,
            "samples": settle.samples,
            "open_check": _asks(found, settle),
            "mtime_grain_ns": found.mtime_grain_ns,
        },
    }
