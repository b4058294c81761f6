"""Everything that sends, built as one: the crew, what it is tuned by, and the sender over them.

Owns how these parts are joined and in which order they end. Never decides what goes out. Built,
started and stopped by `daemon`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from masv_watch import files
from masv_watch.cloud.client import CloudClient
from masv_watch.errors import StoreError
from masv_watch.login import Login
from masv_watch.loops import Bell, Clock
from masv_watch.metrics import Metrics
from masv_watch.model import Identity, Need, Rule, Secret, Settings, Settle, Transfer
from masv_watch.store.contract import Store
from masv_watch.transfer.bandwidth import LimitKeeper
from masv_watch.transfer.claims import Key
from masv_watch.transfer.crew import SMALL_WORKERS, Crew, Lane
from masv_watch.transfer.expectations import Expectations
from masv_watch.transfer.leaving import Leaving
from masv_watch.transfer.meter import Meter
from masv_watch.transfer.openings import Openings
from masv_watch.transfer.packages import Packages
from masv_watch.transfer.sender import Effects, Sender
from masv_watch.transfer.sending import Sending
from masv_watch.transfer.settling import Settling
from masv_watch.transfer.throttle import Throttle
from masv_watch.transfer.tuner import Tuner
from masv_watch.watch.gaps import quiet_time
from masv_watch.watch.settle import quiet_for

#: seconds between two looks while no upload is on its way; what moves one rings
REST_S = 30.0


class Departure:
    """The sending room of one daemon."""

    def __init__(
        self,
        store: Store,
        cloud: CloudClient,
        login: Login,
        *,
        settings: Callable[[], Settings],
        look: Callable[[bytes, int | None], Identity],
        rights: Callable[[bytes, int | None], files.Reach],
        source_changed: Callable[[str], None],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Build everything; no thread runs before there is work.

        `settings` are asked as they are now; `look` looks at a caller's source by his rights, and
        `rights` gives within what it is opened; `source_changed` is told where to look.
        """
        self._settings, self._store, self.bell = settings, store, Bell()
        self.meter = Meter(monotonic=clock.monotonic)
        self.openings = Openings(
            settings=settings, clock=clock, store_now=store.now, opened=source_changed,
            disk_trouble=store.disk_trouble,
        )  # fmt: skip
        self.expectations = Expectations(store, settings=settings, clock=clock, metrics=metrics)
        throttle = Throttle(clock=clock, metrics=metrics)
        self.limits = LimitKeeper(store, throttle, settings=settings, clock=clock, metrics=metrics)
        self._tuner = Tuner(lambda: settings().transfer.connections, clock=clock)
        self._crew: Crew[Key] = Crew(self._lanes(), bell=self.bell, clock=clock, metrics=metrics)
        self._settling = Settling(store, look=look, quiet_s=_callers_quiet_s, clock=clock)
        effects = Effects(
            packages=Packages(store, cloud, login, self._access_code),
            sending=self._sending(cloud, throttle, rights, metrics=metrics),
            settling=self._settling,
            crew=self._crew,
            tuner=self._tuner,
            meter=self.meter,
            login=login,
        )
        self.leaving = Leaving(store, cloud, login, luck=random.random)
        store.listen(self.bell.ring)
        self.sender: Sender = self._build_sender(effects, source_changed, clock, metrics=metrics)

    def _build_sender(
        self,
        effects: Effects,
        source_changed: Callable[[str], None],
        clock: Clock,
        *,
        metrics: Metrics,
    ) -> Sender:
        return Sender(
            self._store,
            effects,
            transfer=self._transfer,
            source_changed=lambda name: source_changed(name or ""),
            clock=clock,
            metrics=metrics,
            luck=random.random,
            turns=self.openings.turns,
        )

    def adopt(self) -> None:
        """Take over the configuration: limits, and of what is on its way priorities and recalls.

        Raises:
            StoreError: what is about uploads could not be stored.
        """
        self.limits.adopt()
        rules = self._settings().hot_folders
        self._store.adopt_priorities({rule.name: rule.priority for rule in rules})
        self._store.adopt_recalls({rule.name: rule.recall_s for rule in rules})

    def tick(self) -> float:
        """Let what holds at this moment hold and turn the sender; give the seconds to the next."""
        self.limits.tick()
        self.openings.tick()
        self.expectations.tick()
        pause_s = self.sender.tick()
        return self._rest_s(pause_s) if self.sender.is_at_rest else pause_s

    def _rest_s(self, pause_s: float) -> float:
        try:
            if self._store.is_astir():
                return pause_s
        except StoreError:
            # nobody knows; the sender tells of a state that cannot be read
            return pause_s
        # whoever waits for a window to open is told in its second
        return max(min(self.openings.opens_in_s(), REST_S), pause_s)

    def end(self, timeout_s: float) -> None:
        """End the workers, waiting at most so long; the sender's loop has ended before."""
        self._crew.stop(timeout_s)

    def needs(self) -> Iterator[Need]:
        """Say what a person should look at of what is to come, and of what never settles."""
        yield from self.expectations.needs()
        yield from self._settling.needs()

    def _transfer(self) -> Transfer:
        return self._settings().transfer

    def _lanes(self) -> dict[Lane, Callable[[], int]]:
        return {Lane.SMALL: lambda: SMALL_WORKERS, Lane.LARGE: self._connections}

    def _connections(self) -> int:
        return self._tuner.connections() + self.sender.extra

    def _sending(
        self,
        cloud: CloudClient,
        throttle: Throttle,
        rights: Callable[[bytes, int | None], files.Reach],
        *,
        metrics: Metrics,
    ) -> Sending:
        return Sending(
            self._store,
            cloud,
            transfer=self._transfer,
            rights=rights,
            quiet_s=self._quiet_s,
            throttle=throttle,
            on_sent=self._tuner.note,
            meter=self.meter,
            metrics=metrics,
        )

    def _access_code(self, hot_folder: str | None) -> Secret | None:
        # read as it is now, so that no secret is stored and a corrected code counts at once
        rules = self._settings().hot_folders
        return next((rule.to.access_code for rule in rules if rule.name == hot_folder), None)

    def _quiet_s(self, path: bytes, hot_folder: str | None) -> float:
        rules = self._settings().hot_folders
        rule = next((rule for rule in rules if rule.name == hot_folder), None)
        return quiet_of(path, rule, gaps=self._store.gaps)


def _callers_quiet_s(path: bytes) -> float:
    """Give how long a caller's changed file must be quiet; `path` is below "/"."""
    return quiet_of(b"/" + path, None, gaps=lambda _name: ())


def quiet_of(path: bytes, rule: Rule | None, *, gaps: Callable[[str], Sequence[float]]) -> float:
    """Give how long a file at an absolute path must be quiet, in seconds.

    As its hot folder wants it, or, without a rule, as a caller's is. `gaps` gives the pauses that a
    hot folder learned.
    """
    kind = files.filesystem_kind(path.rpartition(b"/")[0] or b"/")
    if rule is None:
        return quiet_for(Settle(), kind)
    known = gaps(rule.name) if rule.settle.is_learned else ()
    return quiet_time(rule.settle, kind, known).seconds
