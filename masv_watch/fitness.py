"""What a folder's mount is fit for: each answer of the self-test with what follows from it.

Owns what an answer means, in the numbers that the watch itself uses, and the ear that listens as
the watch does. Never probes: `selftest` does. Called by the command `selftest`, and for the API by
`inquiries`.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from dataclasses import replace

from masv_watch.config.units import show_duration
from masv_watch.delivery.letters import size_text
from masv_watch.figures import counted
from masv_watch.files import Reach, is_kernels_own
from masv_watch.lifecycle import MOUNT_CURE
from masv_watch.loops import Bell, Clock
from masv_watch.model import Fitness, Probe, ProbeState, Rule, Settle, Treatment
from masv_watch.selftest import Heard, Sounding, sound
from masv_watch.watch.budget import watches_line
from masv_watch.watch.drift import named
from masv_watch.watch.gaps import Quiet, quiet_time
from masv_watch.watch.hints import Hints, Sight
from masv_watch.watch.intake import PERIOD_S
from masv_watch.watch.writing import NEVER, SEEN

#: seconds that a notification may take, and between two looks at a wish to end meanwhile
_HEARING_S, _STEP_S = 2.0, 0.1
#: seconds between two clocks that nobody needs to know of
_SAME_TIME_S = 5.0
_LEARNED = "until the folder's own pauses are known; masv-watch status NAME shows what holds by now"
_GRAINS = {1: "1 ns", 100: "100 ns", 1000: "1 us", 10**6: "1 ms", 10**7: "10 ms"}


def try_out(
    path: bytes,
    rule: Rule | None,
    *,
    clock: Clock,
    proceed: Callable[[], None],
    reach: Reach | None = None,
) -> Fitness:
    """Try out a folder, and say what the watch would do there by this rule.

    `proceed` is called between the probes and may raise; nothing of ours stays even then. The
    signal of a broken lease must be ignored (`files.prepare`), or writers are not asked about.

    Raises:
        SourceUnreadable: the folder is not there, or cannot be listed.
        SourceForbidden: the way to it leads where it must not.
    """
    found = sound(
        path,
        ear=lambda inner, change: _hear(inner, change, proceed),
        clock=clock,
        proceed=proceed,
        reach=reach,
    )
    return fitness_of(found, rule)


def fitness_of(found: Sounding, rule: Rule | None) -> Fitness:
    """Say what a folder of which this was found out is fit for."""
    settle, sight = (rule.settle if rule else Settle()), sight_of(found)
    return Fitness(
        path=found.path,
        hot_folder=rule.name if rule else "",
        user=_user(),
        probes=tuple(probes_of(found, rule)),
        treatment=Treatment(
            is_announced=sight is Sight.EVENTS,
            sweep_s=PERIOD_S[sight],
            quiet_s=_quiet(found, settle).seconds,
            samples=settle.samples,
            asks_for_writers=_asks(found, settle),
            mtime_grain_ns=found.mtime_grain_ns,
        ),
    )


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


def probes_of(found: Sounding, rule: Rule | None) -> Iterator[Probe]:
    """Give every result with what follows from it."""
    yield _filesystem(found)
    yield _rights(found)
    yield from _detecting(found)
    yield from _settling(found, rule)
    yield from _names(found)
    yield from _after(found, rule)
    free = f"{size_text(found.room.free)} of {size_text(found.room.total)} free"
    yield _probe("room", "ok", free, "none is needed here: files are sent from where they lie")
    for failure in found.failed:
        name, _, why = failure.partition(": ")
        yield _probe(name, "note", f"could not be tried: {why}", "")


def _filesystem(found: Sounding) -> Probe:
    mount = found.mount
    kind = mount.filesystem or "unknown"
    where = "network" if mount.is_network else "local"
    medium = ", removable medium" if mount.is_removable else ""
    use = "sweeps decide, with the quiet time of a network" if mount.is_network else (
        "treated as local"
    )  # fmt: skip
    if is_kernels_own(kind):
        use = "nothing of it is ever sent: take a folder with files of people"
        return _probe("filesystem", "bad", f"{kind}, which shows the kernel's own inside", use)
    return _probe("filesystem", "ok", f"{kind} on {mount.source or '?'}, {where}{medium}", use)


def _rights(found: Sounding) -> Probe:
    if not found.unwritable:
        return _probe("write", "ok", "files can be made here", "")
    why = "mounted read-only" if found.mount.is_read_only else found.unwritable
    use = "drops are sent and stay; what needs a file of our own is not tried"
    return _probe("write", "note", f"nothing can be made here: {why}", use)


def _detecting(found: Sounding) -> Iterator[Probe]:
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
    yield _probe("events", state, result, use)
    yield _notifications(found)


def _notifications(found: Sounding) -> Probe:
    need = found.need
    result = f"{'at least ' if need.is_cut else ''}{_folders(need.folders)}"
    if need.limit is None or found.mount.is_network:
        return _probe("watches", "ok", result, "no notification is needed for them")
    result += f", {need.used} of {need.limit} watches of this user in use"
    if need.used + need.folders <= need.limit:
        return _probe("watches", "ok", result, "there are enough")
    use = f"too few, so a sweep every {show_duration(PERIOD_S[Sight.DEGRADED])} decides: run"
    return _probe("watches", "note", result, f"{use} {watches_line(need.used + need.folders)}")


def _settling(found: Sounding, rule: Rule | None) -> Iterator[Probe]:
    settle = rule.settle if rule else Settle()
    quiet = _quiet(found, settle)
    result = f"{show_duration(quiet.seconds)} without a change, {settle.samples} samples"
    yield _probe("quiet", "ok", result, quiet.why)
    grain = found.mtime_grain_ns
    if grain is not None:
        shown_grain = _GRAINS.get(grain, f"{grain / 1e9:g} s")
        if grain / 1e9 >= quiet.seconds:
            use = f"set settle.quiet to more than {shown_grain}: a rewrite within it is unseen"
            yield _probe("mtime", "bad", f"times are kept to {shown_grain}", use)
        else:
            yield _probe("mtime", "ok", f"times are kept to {shown_grain}", "compared as they are")
    elif not found.unwritable:
        use = "every copy looks new: drops are told by what the file system writes"
        yield _probe("mtime", "note", "a time that a program sets is not kept", use)
    yield from _identity(found, rule)
    yield from _lease(found, settle)
    if found.skew_s is not None:
        is_same = abs(found.skew_s) <= _SAME_TIME_S
        ahead = f"{abs(found.skew_s):.0f} s {'ahead of' if found.skew_s > 0 else 'behind'}"
        result = "as this machine's" if is_same else f"{ahead} this machine's"
        use = "times of files are compared with each other, never with this machine's clock"
        yield _probe("clock", "ok" if is_same else "note", result, use)


def _identity(found: Sounding, rule: Rule | None) -> Iterator[Probe]:
    if found.keeps_inode is None or found.keeps_ctime is None:
        return
    if found.keeps_inode and found.keeps_ctime:
        result = "inode and change time of an untouched file stay"
        yield _probe("identity", "ok", result, "both are part of a file's identity")
        return
    kept = {"inode": found.keeps_inode, "ctime_ns": found.keeps_ctime}
    what = named(frozenset(name for name, is_kept in kept.items() if not is_kept))
    result = f"{what} of an untouched file: another at a later look"
    if found.mount.is_network and not (rule and rule.removable):
        use = f"left out once the watch saw it, and what goes is read twice: {MOUNT_CURE}"
        yield _probe("identity", "note", result, use)
        return
    use = "every look seems a change, so nothing settles: mount it with stable inodes"
    yield _probe("identity", "bad", result, use)


def _quiet(found: Sounding, settle: Settle) -> Quiet:
    quiet = quiet_time(settle, "network" if found.mount.is_network else "local")
    # what was learned is in the daemon's state, which is not asked here
    return replace(quiet, why=_LEARNED) if settle.is_learned else quiet


def _lease(found: Sounding, settle: Settle) -> Iterator[Probe]:
    if found.lease is None:
        return
    if not found.lease.sees_writers:
        use = f"{SEEN}; where there is none the quiet time alone decides"
        use = use if settle.asks_for_writers else NEVER
        yield _probe("lease", "note", f"writers are not seen: {found.lease.why_not}", use)
        return
    whose = "of every user" if found.lease.of_every_user else "that belong to this user"
    result = f"writers on this machine are seen, in files {whose}"
    use = "the kernel is asked for them before a drop goes"
    if not settle.asks_for_writers:
        use = NEVER
    elif found.mount.is_network:
        use = f"{SEEN}: those on other machines are not seen"
    yield _probe("lease", "ok", result, use)


def _names(found: Sounding) -> Iterator[Probe]:
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
        yield _probe("names", "note" if folded else "ok", result, use)
    renaming = found.renaming
    if renaming is None:
        return
    if not renaming.keeps_file:
        use = "a renamed file counts as a new one"
        yield _probe("rename", "note", "a rename makes another file", use)
        return
    by = "refused by the rename itself" if renaming.is_exclusive else (
        "refused by a hard link" if renaming.has_hard_links else "reserved first"
    )  # fmt: skip
    result = "one step, and the file stays the same"
    yield _probe("rename", "ok", result, f"a taken name is {by}; `drop` and `after` overwrite none")


def _after(found: Sounding, rule: Rule | None) -> Iterator[Probe]:
    after = "keep" if rule is None else rule.after.delivered
    wish = {"move": "moved", "delete": "removed"}.get(after, "")
    if found.stays:
        state, use = "bad", "take it away by hand; nobody sends it"
        yield _probe("delete", state, found.stays, use)
    elif found.can_delete is None:
        use = f"the rule wants delivered sources {wish}, which fails" if wish else (
            "delivered sources stay, as the rule says"
        )  # fmt: skip
        yield _probe("delete", "bad" if wish else "ok", "no right to remove anything here", use)
    elif found.is_sticky:
        use = f"sources of other users cannot be {wish}" if wish else "delivered sources stay"
        result = "only own files: the folder is sticky"
        yield _probe("delete", "note" if wish else "ok", result, use)
    else:
        use = f"delivered sources are {wish}" if wish else "delivered sources stay"
        yield _probe("delete", "ok", "what is made here can be removed", use)


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


def _folders(count: int) -> str:
    return counted(count, "folder")


def _probe(test: str, state: str, result: str, use: str) -> Probe:
    return Probe(test=test, state=ProbeState(state), result=result, use=use)
