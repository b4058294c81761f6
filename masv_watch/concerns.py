"""What a person should look at though the daemon runs.

Owns the list of it, for readiness, for status and for the letters about it. Never mends anything
and never decides who is told. Built by `daemon`; views are called by any thread.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from masv_watch import files, lifecycle
from masv_watch.departure import Departure
from masv_watch.errors import UNSTORED
from masv_watch.login import Login
from masv_watch.loops import Loop
from masv_watch.model import HoldReason, Need, Selection, UploadState
from masv_watch.roster import Roster
from masv_watch.store.contract import Store
from masv_watch.store.peeking import file_of
from masv_watch.uploads import archives_away, needs_of, undeleted
from masv_watch.watch import needs

#: what a letter cannot say of itself, and what ends by itself
_UNTOLD = frozenset({"notice", "slow"})
#: what helps when the file of the state has lost its name
_RESCUE = "restart nothing: put the file back, or get it out of the process as the runbook says"
_ON_THEIR_WAY = Selection(states=(UploadState.TRANSFERRING, UploadState.FINALIZING), limit=1)


class Concerns:
    """The trouble of all rooms, read when it is asked for."""

    def __init__(
        self,
        store: Store,
        roster: Roster,
        *,
        login: Login,
        state: str,
        departure: Departure,
        housekeeping: Callable[[], Iterable[Need]],
        loops: Callable[[], Iterable[Loop]],
    ) -> None:
        """Begin without trouble; `housekeeping` gives what failed of what is done by the clock.

        `loops` are those that belong to no hot folder.
        """
        self._loops = loops
        self._store = store
        self._roster = roster
        self._login = login
        self._state = state
        self._departure = departure
        self._housekeeping = housekeeping
        #: what the last reload was refused for; "" when it was taken over
        self.refused = ""
        #: what of the last reload could not be stored yet, and why; "" when all of it holds
        self.behind = ""
        #: what is wrong with the place of the state; it changes only with a restart
        self.ground = tuple(_ground(state))
        self._file = files.place_of(file_of(state))

    def all(self) -> tuple[Need, ...]:
        """List everything that a person should look at, one sentence each."""
        found = list(self._of_state())
        found += self._housekeeping()
        found += self._roster.needs()
        crashing = (needs.of_loop(each, f"loop {each.name}") for each in self._loops())
        found += filter(None, crashing)
        found += self._departure.needs()
        found += undeleted(self._store)
        found += archives_away(self._store)
        if self.refused:
            text = f"the last reload was refused, the earlier goes on: {self.refused}"
            found.append(Need(key="reload", text=text, cure="masv-watch check"))
        if self.behind:
            text = f"{self.behind}; it is tried again and again"
            cure = f"{UNSTORED}, or by masv-watch reload at once"
            found.append(Need(key="behind", text=text, cure=cure))
        slow_s = self._departure.sender.slow_until - self._store.now()
        if slow_s > 0:
            text = f"the cloud asked us to send nothing for another {slow_s:.0f} s"
            found.append(Need(key="slow", text=text, cure="wait: all goes on by itself then"))
        found += (*self._unreached(), *self._unpaid())
        pause_s = self._login.pause_s()
        if pause_s is not None:
            cure = self._login.cure()
            text = f"the cloud does not believe us: {cure}; tried again in {pause_s:.0f} s"
            found.append(Need(key="auth", text=text))
        unsent = self._store.unsent_notice()
        if unsent:
            text = f"the letter about what needs a person has not left: {unsent}"
            cure = (
                "masv-watch check tries the mail server; a corrected `mail` counts after a reload"
            )
            found.append(Need(key="notice", text=text, cure=cure))
        return tuple(found)

    def _of_state(self) -> Iterator[Need]:
        """Say what is wrong with the state and its disk."""
        trouble = self._store.trouble()
        if trouble:
            text = f"the state in {self._state}: {trouble}"
            yield Need(key="state", text=text, cure=UNSTORED)
        elif files.place_of(file_of(self._state)) != self._file:
            # the open file has no other name: whatever is written now is gone with the process
            text = f"the state in {self._state} was moved, removed or replaced while it is in use"
            yield Need(key="replaced", text=text, cure=_RESCUE)
        low = self._store.disk_trouble()
        if low:
            text = f"the disk of the state in {self._state} has {low}: nothing new begins"
            cure = lifecycle.CURES[HoldReason.STATE_DISK_LOW]
            yield Need(key="disk", text=text, cure=cure)

    def _unreached(self) -> Iterator[Need]:
        """Say that nothing gets through, while there is something that should."""
        why = self._departure.sender.unreached()
        if why and self._store.select_uploads(_ON_THEIR_WAY):
            text = f"nothing gets through to the cloud: {why}; it is tried again and again"
            yield Need(key="cloud", text=text, cure="masv-watch check says what stands in the way")

    def _unpaid(self) -> Iterator[Need]:
        """Say who has no quota left, while something waits for it."""
        waiting = Counter(each.payer for each in self._store.unpaid().values())
        for short in self._store.shortages():
            number = waiting[short.payer]
            if number:
                wait_s = short.ask_at - self._store.now()
                # that may be its turn, its window or its hold, which is told of there
                again = f"in {wait_s:.0f} s" if wait_s > 0 else "as soon as one of them may go"
                uploads = "1 upload waits" if number == 1 else f"{number:,} uploads wait"
                yield Need(
                    key=f"quota {short.payer}",
                    text=f"MASV wants more quota or a payment of {short.payer}, {uploads}:"
                    f" {short.why}; asked again {again}",
                    cure="raise the quota at MASV, or pay what is owed there",
                )

    def sentences(self) -> tuple[str, ...]:
        """Give them as sentences, with what keeps nothing from working but could do better."""
        return tuple(need.text for need in (*self.all(), *self.ground, *self._roster.blindness()))

    def needs(self) -> Iterator[Need]:
        """Give all that waits for a person, drops, uploads and tasks with it."""
        yield from (need for need in self.all() if need.key not in _UNTOLD)
        yield from self.ground
        yield from self._roster.blindness()
        yield from needs_of(self._store)


def _ground(state: str) -> Iterator[Need]:
    """Say what `check` says too: a lock that is not kept lets two daemons send everything twice."""
    if files.filesystem_kind(os.fsencode(state)) == "network":
        text = f"the state in {state} lies on a network file system"
        why = "whose locks are not to be relied on"
        yield Need(key="ground", text=f"{text}, {why}", cure="set state: to a local folder")
