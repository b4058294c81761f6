"""The hot folders that are watched: one intake with a loop of its own for each rule.

Owns which rules run, their swap at a reload, and how each of them is. Never looks into a folder
itself. Built, started and stopped by `daemon`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from masv_watch import files
from masv_watch.config.dropins import is_below
from masv_watch.errors import SourceError
from masv_watch.explain import LINK, Asked, explain
from masv_watch.lifecycle import is_arriving
from masv_watch.loops import Bell, Clock, Loop
from masv_watch.metrics import Metrics
from masv_watch.model import (
    Caller,
    Drop,
    DropEvent,
    DropState,
    Explanation,
    Identity,
    LateDrops,
    Limits,
    Need,
    Rule,
    Schedule,
    Secret,
    Terms,
    Timetable,
)
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.uploads import FolderSight, Uploads
from masv_watch.watch import needs, orphans
from masv_watch.watch.addresses import recipients_of
from masv_watch.watch.canary import PERIOD_S, Canary
from masv_watch.watch.closing import used_marker
from masv_watch.watch.companions import goes_along, goes_into_trash
from masv_watch.watch.drafts import terms_of
from masv_watch.watch.hints import Hints, Sight
from masv_watch.watch.homes import demand_home
from masv_watch.watch.intake import Intake
from masv_watch.watch.markers import marks_of
from masv_watch.watch.rules import Matcher
from masv_watch.watch.sidecars import rebound
from masv_watch.watch.sights import disabled_sight, sight_of
from masv_watch.watch.turnstile import Turnstile
from masv_watch.watch.untended import Untended
from masv_watch.watch.unwatched import disabled, not_watched

log = logging.getLogger(__name__)

#: seconds that the loop of a removed rule gets to end; a hung folder gets no more
SWAP_S = 5.0
#: seconds after which an intake looks what is due, though it said that nothing is and nothing rang;
#: each look costs a wake-up for each hot folder
LOOK_S = 30.0


@dataclass(slots=True)
class _Watched:
    intake: Intake
    loop: Loop


class Roster:
    """All watched hot folders; verbs are called by the main thread, views by any."""

    def __init__(
        self,
        rules: Iterable[Rule],
        store: Store,
        uploads: Uploads,
        *,
        denied: Callable[[], frozenset[tuple[int, int]]],
        canary: bytes,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Build an intake for each rule; nothing is started yet.

        `denied` is never sent; `canary` is a folder of our own in which notifications are tried.
        """
        self._store = store
        #: for whoever moves a source: raises where an opened root is not that of a drop
        self.demand_home = partial(demand_home, store)
        self._uploads = uploads
        self._denied = denied
        self._clock = clock
        self._metrics = metrics
        self._hints = Hints(self.hurry, monotonic=clock.monotonic)
        self._canary = Loop(
            "canary",
            Canary(self._hints, canary, clock=clock, metrics=metrics).tick,
            bell=Bell(),
            clock=clock,
            metrics=metrics,
            at_most_s=PERIOD_S,
            vital=False,
        )
        self._turnstile = Turnstile(monotonic=clock.monotonic)
        #: what is on its way from where nobody watches
        self.untended = Untended(store, clock=clock, metrics=metrics)
        #: as they are configured, those that are not watched, too
        self._rules = list(rules)
        self._inherit(self._rules)
        self._watched = {rule.name: self._watch(rule) for rule in self._rules if rule.is_enabled}
        self._forget_removed()

    def _watch(self, rule: Rule) -> _Watched:
        bell = Bell()
        intake = Intake(
            rule,
            store=self._store,
            uploads=self._uploads,
            hints=self._hints,
            clock=self._clock,
            metrics=self._metrics,
            bell=bell,
            stop=lambda: loop.stopping,
            denied=self._denied,
            turnstile=self._turnstile,
        )
        # a dead network folder hangs its own loop only, and restarts nothing (fault 10)
        loop = Loop(
            f"intake-{rule.name}",
            intake.tick,
            bell=bell,
            clock=self._clock,
            metrics=self._metrics,
            at_most_s=LOOK_S,
            vital=False,
        )
        return _Watched(intake, loop)

    def __len__(self) -> int:
        """Count the hot folders."""
        return len(self._watched)

    @property
    def loops(self) -> list[Loop]:
        """Give the loop of each hot folder, that of what nobody watches, and the canary's."""
        return [*(each.loop for each in self._all()), self.untended.loop, self._canary]

    def start(self) -> None:
        """Start every loop."""
        for loop in self.loops:
            loop.start()

    def ask_to_stop(self) -> None:
        """Let every sweep end soon; nothing is waited for."""
        for loop in self.loops:
            loop.ask_to_stop()

    def stop_listening(self) -> None:
        """End the notifications."""
        self._hints.stop()

    def swap(self, new: Iterable[Rule]) -> None:
        """Take over a reloaded configuration.

        A rule that says the same of what it watches goes on undisturbed; the rest is read as it is
        needed. What was broken off is taken up by another call.

        Raises:
            StoreError: what follows for drops could not be stored.
        """
        self._rules = list(new)
        rules = [rule for rule in self._rules if rule.is_enabled]
        before = {_watching(each.intake.rule) for each in self._watched.values()}
        kept = {rule.name for rule in rules if _watching(rule) in before}
        for name in [name for name in self._watched if name not in kept]:
            watched = self._watched.pop(name)
            watched.loop.stop(SWAP_S)
            watched.intake.gauges.end()
            self._hints.disarm(name)
        self._inherit(self._rules)
        begun: list[Loop] = []
        try:
            for rule in rules:
                if rule.name not in self._watched:
                    watched = self._watched[rule.name] = self._watch(rule)
                    begun.append(watched.loop)
                else:
                    self._watched[rule.name].intake.adopt(rule)
            self._forget_removed()
        finally:
            # what is watched from now on is let go by then: nobody else closes or fails it
            for loop in begun:
                loop.start()

    def _inherit(self, rules: Iterable[Rule]) -> None:
        """Let a hot folder that was renamed have the ledger of its earlier name."""
        for rule in rules:
            if rule.was and not self._store.rename_folder(rule.was, rule.name):
                log.warning(
                    "a renamed hot folder has a ledger of its own already; the earlier one stays",
                    extra={"hot_folder": rule.name, "was": rule.was},
                )

    def _forget_removed(self) -> None:
        """Drop from view what settles or is held where no rule looks any more; the rest goes on.

        What still arrived there could never become whole, so that its upload goes with it.
        """
        untended: list[Drop] = []
        for drop in self._store.drops(living=True):
            watched = self._watched.get(drop.hot_folder)
            if watched is not None and bool(drop.volume) != watched.intake.rule.removable:
                # its ledger is not read any more
                watched = None
            if watched is None and orphans.still_asks(self._rules, drop):
                continue
            if watched is None and drop.state is not DropState.TAKEN:
                note = orphans.why_unwatched(self._rules, drop.hot_folder)
                self._store.advance_drop(drop.id, DropEvent.CANCEL, note=note)
            elif is_arriving(drop) and not self._is_looked_at(drop, watched):
                note = "it was arriving where nobody watches any more"
                self._store.abandon(drop.id, note)
                log.warning(
                    "an upload ends: its drop was still arriving in a hot folder that is gone",
                    extra={"upload": drop.upload_id, "drop": shown(drop.path)},
                )
            elif drop.state is DropState.TAKEN and not self._is_looked_at(drop, watched):
                untended.append(drop)
        self.untended.tend(untended)

    def _is_looked_at(self, drop: Drop, watched: _Watched | None) -> bool:
        upload = self._store.upload(drop.upload_id) if drop.upload_id else None
        return (
            upload is not None and watched is not None and watched.intake.rule.path == upload.root
        )

    def terms(self, hot_folder: str, path: bytes, frozen: Terms) -> Terms | None:
        """Give what the rule of a hot folder says now of a drop that was taken by other terms.

        None where it names nobody.
        """
        watched = self._watched.get(hot_folder)
        if watched is None:
            return None
        rule = rebound(watched.intake.rule, frozen)
        return None if recipients_of(rule, path) is None else terms_of(rule, path)

    def password(self, hot_folder: str) -> Secret | None:
        """Give what the packages of a hot folder ask for now."""
        watched = self._watched.get(hot_folder)
        return None if watched is None else watched.intake.rule.package.password

    def explain(self, path: bytes, caller: Caller) -> Explanation:
        """Say why a path is sent or not.

        Raises:
            NotFound: the caller may not read it, or it is not there and never was.
        """
        plain = os.path.normpath(path)
        found = self._explained(path, plain, caller)
        # where a link leads is no one's to learn who may not read everything (P8)
        real = files.resolved(plain) if caller.is_owner else plain
        is_led = found is None or any(each.test == LINK for each in found.findings)
        there = self._explained(real, real, caller) if is_led and real != plain else None
        if there is not None:
            return replace(
                there, path=path, why=f"{shown(path)} leads to {shown(real)}; {there.why}"
            )
        return found or not_watched(path, len(self))

    def _explained(self, path: bytes, plain: bytes, caller: Caller) -> Explanation | None:
        for each in self._all():
            rule = each.intake.rule
            for root in (rule.path, files.resolved(rule.path)):
                below = root.rstrip(b"/") + b"/"
                if plain == root or plain.startswith(below):
                    asked = Asked(path=path, relative=plain[len(below) :], caller=caller)
                    return explain(
                        asked,
                        each.intake,
                        store=self._store,
                        uploads=self._uploads,
                        clock=self._clock,
                    )
        # the name of what is not watched is no one's to learn who may not read everything (P8)
        for rule in self._rules if caller.is_owner else ():
            if not rule.is_enabled and is_below(plain, (rule.path, files.resolved(rule.path))):
                return disabled(path, rule)
        return None

    def hurry(self, hot_folder: str) -> None:
        """Ask whoever looks after a hot folder's drops to look soon; an unknown one is fine."""
        watched = self._watched.get(hot_folder)
        if watched is None:
            self.untended.loop.bell.ring()
        else:
            watched.intake.hurry()

    def note_source_changed(self, hot_folder: str | None) -> None:
        """Have what changed on its way looked at, by whoever looks after it."""
        name = hot_folder or ""
        for drop in self._store.drops(name, living=True) if name else ():
            # asked anew of each: a reload may have it watched meanwhile
            if orphans.is_stuck(drop) and not self._is_looked_at(drop, self._watched.get(name)):
                self.untended.hurry(drop)
        self.hurry(name)

    def as_kept(self, identity: Identity) -> Identity:
        """Give an identity without what its file system does not keep, as a hot folder shows.

        What was learned there counts for any file of that file system, in the hot folder or not.
        """
        for each in self._all():
            identity = each.intake.gate.as_kept(identity)
        return identity

    def is_there(self, hot_folder: str, path: bytes) -> bool | None:
        """Say whether something stands at a drop's path; None where its root cannot tell."""
        watched = self._watched.get(hot_folder)
        if watched is None:
            return None
        intake = watched.intake
        if intake.gate.why or intake.hangs(self._clock.monotonic()):
            return None
        try:
            with files.Root.open(intake.rule.path) as root:
                return root.observe(path) is not None
        except SourceError:
            return None

    def sight(self, drop: Drop) -> str:
        """Tell what was seen last of a drop that settles; "" where nothing is remembered."""
        watched = self._watched.get(drop.hot_folder)
        return "" if watched is None else watched.intake.entries.sight(drop)

    def tidy(self, kept_s: float) -> None:
        """Have every hot folder's own loop clear away what is old; history is kept so long."""
        for each in self._all():
            each.intake.tidy(kept_s)

    def unswept(self) -> list[str]:
        """List the hot folders that were never swept and for which readiness waits."""
        now = self._clock.monotonic()
        return [
            each.intake.rule.name
            for each in self._all()
            if not each.intake.looked and not each.intake.hangs(now)
        ]

    def needs(self) -> list[Need]:
        """Say which hot folders a person should look at, one sentence each."""
        now, found = self._clock.monotonic(), []
        for each in self._all():
            intake = each.intake
            hangs, why = intake.hangs(now), intake.gate.question
            if intake.gate.why and not _is_empty_reader(intake):
                why = intake.gate.why
            if hangs or why:
                found.append(needs.of_root(intake.rule, why, hangs=hangs))
            found += intake.troubles.needs()
            crashing = needs.of_loop(each.loop, f"hot folder {intake.rule.name}: its loop")
            if crashing is not None:
                found.append(crashing)
        return found + self.untended.needs()

    def blindness(self) -> list[Need]:
        """Say where events should work and do not, one sentence each; the sweep goes on there."""
        found = []
        for each in self._all():
            rule = each.intake.rule
            mode = self._hints.mode(rule.name)
            if mode.sight is Sight.DEGRADED:
                found.append(needs.of_events(rule, mode.why))
        return found

    def sights(self) -> list[FolderSight]:
        """Say how each hot folder is, in the order of the configuration."""
        now, store_now = self._clock.monotonic(), self._store.now()
        sights = [
            sight_of(
                each.intake,
                self._hints.mode(each.intake.rule.name),
                last_event=self._hints.last_event(each.intake.rule.name),
                now=now,
                store_now=store_now,
            )
            for each in self._all()
        ]
        sights += [disabled_sight(rule) for rule in self._rules if not rule.is_enabled]
        places = {rule.name: number for number, rule in enumerate(self._rules)}
        return sorted(sights, key=lambda sight: places.get(sight.rule.name, len(places)))

    @property
    def is_at_rest(self) -> bool:
        """Say whether everything that was seen is taken, held or concluded."""
        return all(each.intake.is_at_rest for each in self._all())

    def ignored(self, hot_folder: str, after: str) -> Callable[[bytes, int], bool]:
        """Give what tells which left-out files, by path and bytes, may go along with a source.

        Nothing of anybody's is deleted that was not delivered (P5).
        """
        rule = self._rule_of(hot_folder)
        if rule is None:
            return lambda *_: False
        matcher = Matcher(rule)
        if after != "delete":
            return lambda path, _size: goes_along(matcher.match(path, "file"))
        return lambda path, size: goes_into_trash(matcher.match(path, "file"), size)

    def marks(self, hot_folder: str, path: bytes, kind: str) -> tuple[bytes, ...]:
        """Give the paths beside a drop that are markers of it, and go with it."""
        rule = self._rule_of(hot_folder)
        if rule is None:
            return ()
        used = used_marker(rule, self._store)
        return (*marks_of(rule, path, kind), *(() if used is None else (used,)))

    def _rule_of(self, name: str) -> Rule | None:
        """Give the rule of a hot folder, of a disabled one too: what was on its way goes on."""
        watched = self._watched.get(name)
        if watched is not None:
            return watched.intake.rule
        return next((rule for rule in self._rules if rule.name == name), None)

    def _all(self) -> list[_Watched]:
        return list(self._watched.values())


def _watching(rule: Rule) -> Rule:
    """Leave out of a rule what does not change how its hot folder is watched."""
    return replace(
        rule,
        at="",
        was="",
        tags=(),
        notify=(),
        priority=0,
        chunk_size=None,
        bandwidth=Timetable(),
        schedule=Schedule(late_drops=LateDrops.URGENT) if rule.schedule.heeds_marks else Schedule(),
        limits=Limits(),
    )


def _is_empty_reader(intake: Intake) -> bool:
    return intake.rule.removable and not intake.absence.has_waiting
