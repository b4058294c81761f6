"""The composition root: everything is built here once, started, reloaded and stopped.

Owns the order of start and stop, the signals, and the swap of settings at a reload. Never decides
about a drop or an upload. Called by `cli` for `run`.

Law 1. Start: lock the state, open the store, listen, loops, first sweep, ready. A cloud, a mail
server or a folder that does not answer never delays readiness.
Law 2. Stop: callers first, then intake, then what is handed out; chunks on the way may end within
their time; leases are released last.
Law 3. A reload is all or nothing: a configuration with a problem, or a state that takes nothing,
changes nothing.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any

from masv_watch import __version__, files, logs, once, thrift
from masv_watch.api.calls import Desk, Health
from masv_watch.api.moves import Moves
from masv_watch.cloud.calls import LateLine, Line
from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.proxies import Proxies
from masv_watch.concerns import Concerns
from masv_watch.config import apart
from masv_watch.config.handover import Loaded
from masv_watch.delivery.alerts import LOOK_S, Teller
from masv_watch.delivery.hooks import REST_S as HOOKS_S
from masv_watch.delivery.hooks import Herald
from masv_watch.delivery.outbox import LETTERS, SOURCES, Outbox, Outside
from masv_watch.delivery.outbox import REST_S as OUTBOX_S
from masv_watch.departure import REST_S, Departure
from masv_watch.errors import CannotListen, ConfigError, StoreError
from masv_watch.housekeeping import Housekeeping
from masv_watch.inquiries import Inquirer
from masv_watch.login import Login
from masv_watch.loops import Bell, Clock, Heart, Loop, SystemClock, end_all, wake_all
from masv_watch.metrics import Metrics
from masv_watch.model import Reloaded
from masv_watch.reception import OwnThings, Reception
from masv_watch.rehearsal import Rehearsal
from masv_watch.reloads import Reloads, waits_for_restart, with_cloud_of
from masv_watch.roster import Roster
from masv_watch.store.sqlite import open_store
from masv_watch.transfer.crew import SMALL_WORKERS
from masv_watch.uploads import HotFolders, Links, Records, Uploads
from masv_watch.watch.paths import Paths

log = logging.getLogger(__name__)

#: seconds that chunks on their way get to end after SIGTERM, and after they were told to give up
GRACE_S = 11.0
ABORT_S = 4.0
#: seconds for all loops together to end, and for all workers; a hung folder gets no more
LOOPS_S = 2.0
WORKERS_S = 1.0


class Daemon:
    """One running masv-watch; built and run on the main thread."""

    def __init__(
        self, loaded: Loaded, *, path: str, environ: Mapping[str, str], clock: Clock | None = None
    ) -> None:
        """Build everything that does not need the outside.

        Raises:
            StoreUnusable: another daemon holds the state, or it cannot be used.
            CannotListen: the API's address is taken.
        """
        thrift.share_heaps()
        self._path = path
        self._environ = environ
        self._clock = clock or SystemClock()
        self._heaps = thrift.Heaps(monotonic=self._clock.monotonic)
        self._metrics = Metrics()
        self._metrics.gauge("build_info", 1, version=__version__)
        self._loaded = loaded
        self._settings = self._at_start = loaded.settings
        self._bell = Bell()
        self._stop_asked = False
        self._reloads = Reloads(self._bell.ring, clock=self._clock, metrics=self._metrics)
        self._heart = Heart(clock=self._clock, environ=environ)
        self._own = OwnThings(lambda: self._loaded, path=path, environ=environ, clock=self._clock)
        self.store = open_store(self._settings.state, clock=self._clock, metrics=self._metrics)
        try:
            self._build()
        except BaseException:
            self.store.close()
            raise

    def _build(self) -> None:
        settings, clock, metrics = self._settings, self._clock, self._metrics
        self.store.start_over()
        logs.register_secrets(*self.store.living_secrets())
        self._http = LateLine(self._lay_line)
        cloud = CloudClient(self._http, api_url=settings.masv.api_url)
        self._login = Login(
            cloud,
            settings.masv,
            clock=clock,
            metrics=metrics,
            remembered=self.store.remembered_session(),
            remember=self._remember,
        )
        self._paths = self._build_paths()
        self.uploads = self._build_uploads()
        self._departure = self._build_departure(cloud)
        self._departure.adopt()
        self._sender = self._departure.sender
        self._roster = self._build_roster()
        self._herald = self._build_herald()
        self._concerns = self._build_concerns()
        self._loops = [
            self._loop("sender", self._departure.tick, self._departure.bell, at_most_s=REST_S),
            *self._build_outboxes(cloud),
            self._build_teller(),
            self._loop("hooks", self._herald.tick, Bell(), vital=False, at_most_s=HOOKS_S),
        ]
        self._housekeeping = self._build_housekeeping()
        self._reception = Reception(
            self._build_desk(cloud),
            self._loaded,
            clock=clock,
            environ=self._environ,
            settings=lambda: self._settings,
        )

    def _lay_line(self) -> Line:
        # as large as all that is watched, and of no use before something is to be sent
        from masv_watch.cloud.http import Http  # noqa: PLC0415 - only once the cloud is asked

        return Http(
            clock=self._clock,
            metrics=self._metrics,
            connections=2 * SMALL_WORKERS,
            proxies=Proxies(self._at_start.masv.proxy, self._environ),
        )

    def _build_paths(self) -> Paths:
        return Paths(
            lambda: self._settings, denied=self._own.marks,
            stop=lambda: self._stop_asked, monotonic=self._clock.monotonic,
        )  # fmt: skip

    def _build_roster(self) -> Roster:
        return Roster(
            self._settings.hot_folders,
            self.store,
            self.uploads,
            denied=self._own.marks,
            canary=os.fsencode(os.path.join(self._settings.state, "canary")),
            clock=self._clock,
            metrics=self._metrics,
        )

    def _build_concerns(self) -> Concerns:
        return Concerns(
            self.store,
            self._roster,
            login=self._login,
            state=self._settings.state,
            departure=self._departure,
            housekeeping=lambda: (*self._housekeeping.needs(), *self._herald.needs()),
            loops=lambda: self._loops,
        )

    def _remember(self, session: str | None) -> None:
        self.store.remember_session(session)
        if session is not None:
            # what waits for somebody to sign in need not wait for its next trial
            self.store.hurry()

    def _build_uploads(self) -> Uploads:
        return Uploads(
            self.store,
            auth_until=self._auth_until,
            login=self._login,
            sources=self._paths,
            auto_finalize=lambda: self._settings.server.auto_finalize,
            # built later, as it needs the paths that the desk looks at
            traffic=lambda: self._departure.meter.traffic(),  # noqa: PLW0108 - not there yet
            turns=lambda: self._departure.openings.turns(),  # noqa: PLW0108 - not there yet
        )

    def _build_desk(self, cloud: CloudClient) -> Desk:
        roster = self._roster
        return Desk(
            uploads=self.uploads,
            folders=HotFolders(self.store, self.uploads, sights=roster.sights, hurry=roster.hurry),
            records=self._build_records(),
            links=Links(
                self.uploads,
                cloud,
                self._login,
                register_secret=logs.register_secrets,
                note_made=self.store.note_link_by_hand,
                template=lambda: self._settings.masv.link_url,
            ),
            login=self._login,
            moves=Moves(self.store, monotonic=self._clock.monotonic),
            limits=self._departure.limits,
            health=self.health,
            now=self.store.now,
            flow=self._departure.meter.flow,
            counted_since=self.store.now(),
            explain=roster.explain,
            metrics=self._metrics_text,
            plan=Rehearsal(
                self.store,
                settings=lambda: self._settings,
                denied=self._own.marks,
                clock=self._clock,
                stop=lambda: self._stop_asked,
            ).plan,
            reload=self._reloads.ask,
            inquiries=self._build_inquirer().callables,
            count_refused=self._count_refused,
        )

    def _build_records(self) -> Records:
        roster = self._roster
        return Records(
            self.store, hurry=roster.hurry, terms=roster.terms, is_there=roster.is_there,
            sight=roster.sight, password=roster.password,
        )  # fmt: skip

    def _count_refused(self, method: str, code: int) -> None:
        self._metrics.count("calls_refused", method=method, code=code)

    def _build_inquirer(self) -> Inquirer:
        return Inquirer(
            self._path, self._environ, lambda: self._settings, denied=self._own.marks,
            clock=self._clock, stop=lambda: self._stop_asked,
        )  # fmt: skip

    def _metrics_text(self) -> str:
        self._departure.meter.report(self._metrics)
        return self._metrics.text()

    def _build_departure(self, cloud: CloudClient) -> Departure:
        return Departure(
            self.store,
            cloud,
            self._login,
            settings=lambda: self._settings,
            look=lambda *asked: self._roster.as_kept(self._paths.look_again(*asked)),
            rights=self._paths.rights,
            # built later, as its intakes need the front desk
            source_changed=lambda name: self._roster.note_source_changed(name),  # noqa: PLW0108 - not there yet
            clock=self._clock,
            metrics=self._metrics,
        )

    def _build_outboxes(self, cloud: CloudClient) -> list[Loop]:
        outside = Outside(
            cloud=cloud,
            login=self._login,
            settings=lambda: self._settings,
            ignored=self._roster.ignored,
            marks=self._roster.marks,
            demand_home=self._roster.demand_home,
            register_secret=logs.register_secrets,
        )
        loops = []
        for name, kinds in (("letters", LETTERS), ("sources", SOURCES)):
            bell = Bell()
            outbox = Outbox(
                self.store,
                outside,
                kinds,
                clock=self._clock,
                metrics=self._metrics,
                luck=random.random,
                turns=self._departure.openings.turns,
            )
            self.store.listen(bell.ring)
            tick = outbox.tick if kinds is SOURCES else self._departure.leaving.before(outbox.tick)
            loops.append(self._loop(name, tick, bell, at_most_s=OUTBOX_S, vital=False))
        return loops

    def _build_teller(self) -> Loop:
        teller = Teller(
            self.store,
            self._concerns.needs,
            mail_settings=lambda: self._settings.mail,
            host=socket.gethostname(),
            clock=self._clock,
            metrics=self._metrics,
            luck=random.random,
        )
        return self._loop("alerts", teller.tick, Bell(), vital=False, at_most_s=LOOK_S)

    def _build_herald(self) -> Herald:
        return Herald(
            self.store,
            lambda: self._settings,
            host=socket.gethostname(),
            clock=self._clock,
            metrics=self._metrics,
            luck=random.random,
        )

    def _build_housekeeping(self) -> Housekeeping:
        return Housekeeping(
            self.store,
            settings=lambda: self._settings,
            tidy=self._roster.tidy,
            clock=self._clock,
            metrics=self._metrics,
        )

    def _loop(self, name: str, tick: Callable[[], float | None], bell: Bell, **kind: Any) -> Loop:
        return Loop(name, tick, bell=bell, clock=self._clock, metrics=self._metrics, **kind)

    def run(self) -> int:
        """Serve until a signal ends it; give the exit status."""
        self._catch_signals()
        self._start()
        try:
            while not self._stop_asked:
                self._turn()
        finally:
            self._stop()
        return 0

    def run_once(self) -> int:
        """Send what is there and settles, deliver it and end; 1 when something stays behind."""
        self._catch_signals()
        self._start()
        try:
            while not self._stop_asked and not self._is_all_done():
                self._turn(at_most_s=0.5)
            return 1 if self._stays_behind() else 0
        finally:
            self._stop()

    def _turn(self, at_most_s: float = 10.0) -> None:
        wait_s = min(self._heart.beat(self._all_loops()), at_most_s)
        if not self._told_ready:
            wait_s = min(wait_s, 0.1)
            self._tell_ready()
        if self._heart.is_heard:
            self._heart.status(self.health().sentence(len(self._roster)))
        self._bell.wait(wait_s)
        self._heaps.tend()
        if self._concerns.behind:
            self._follow()
        self._reloads.carry_out(self._reload)

    def _start(self) -> None:
        self._told_ready = False
        for loop in self._loops:
            loop.start()
        self._roster.start()
        self._housekeeping.start()
        thrift.calm_collector()
        log.info(
            "masv-watch runs",
            extra={
                "url": ", ".join(self._reception.listeners.urls),
                "hot_folders": len(self._roster),
                "state": self._settings.state,
                "pid": os.getpid(),
            },
        )
        for need in self._concerns.ground:
            log.warning("the state is not safe where it is", extra={"reason": need.text})

    def _tell_ready(self) -> None:
        if self.health().ready:
            self._told_ready = True
            self._heart.ready(self.health().sentence(len(self._roster)))
            log.info("ready")

    def _stop(self) -> None:
        log.info("stopping")
        self._heart.stopping()
        self._reception.close()
        self._roster.ask_to_stop()
        self._sender.stop()
        self._roster.stop_listening()
        self._housekeeping.stop()
        self._wait_still(GRACE_S)
        self._sender.abort()
        self._wait_still(ABORT_S)
        end_all(self._all_loops(), clock=self._clock, within_s=LOOPS_S)
        self._departure.end(WORKERS_S)
        self._http.close()
        self.store.close()
        log.info("stopped")

    def _wait_still(self, at_most_s: float) -> None:
        """Let chunks on their way end; the sender's loop goes on taking their outcomes."""
        until = self._clock.monotonic() + at_most_s
        still = Bell()
        while not self._sender.is_still and self._clock.monotonic() < until:
            still.wait(0.05)

    def _catch_signals(self) -> None:
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)
        files.prepare()

    def _on_stop(self, _number: int, _frame: object) -> None:
        if self._stop_asked:
            os._exit(1)
        self._stop_asked = True
        self._bell.ring()

    def _on_reload(self, _number: int, _frame: object) -> None:
        self._reloads.signal()

    def _reload(self) -> Reloaded:
        """Take over the configuration file as it stands now, or nothing of it."""
        self._heart.reloading()
        try:
            loaded = apart.load(self._path, environ=self._environ)
        except ConfigError as error:
            return self._refuse_reload(*error.problems)
        logs.register_secrets(*loaded.secrets, lasting=True)
        try:
            self.store.demand_writable()
            self._reception.adopt(loaded.settings.server)
        except StoreError as error:
            again = "reload once more when it does"
            return self._refuse_reload(f"the state takes nothing: {error.message} - {again}")
        except CannotListen as error:
            return self._refuse_reload(str(error))
        late = waits_for_restart(self._at_start, loaded.settings)
        for line in late:
            log.warning("a change waits for a restart", extra={"key": line})
        self._loaded = loaded
        self._settings = with_cloud_of(self._settings, self._at_start, loaded.settings)
        self._concerns.refused = ""
        self._login.adopt(self._settings.masv)
        self._sender.forget_slowness()
        self._follow()
        self._heart.ready(f"watching {len(self._roster)} hot folders")
        log.info("the configuration was taken over", extra={"hot_folders": len(self._roster)})
        warnings = (*loaded.warnings, *filter(None, [self._concerns.behind]))
        return Reloaded(is_taken=True, warnings=warnings, waits_for_restart=tuple(late))

    def _follow(self) -> None:
        """Have hot folders and uploads follow the settings; what is not stored is tried again."""
        try:
            self._roster.swap(self._settings.hot_folders)
            self._departure.adopt()
            self.store.hurry()
            wake_all(self._loops)
        except StoreError as error:
            if not self._concerns.behind:
                log.warning("hot folders wait for the state", extra={"reason": str(error)})
            self._concerns.behind = f"not all follows the last reload yet: {error.message}"
        else:
            self._concerns.behind = ""

    def _refuse_reload(self, *problems: str) -> Reloaded:
        for problem in problems:
            log.error("the configuration is not taken over", extra=Reloads.told(problem))
        self._concerns.refused = next(iter(problems), "").partition("\n")[0]
        self._heart.ready("the last reload failed; the earlier configuration goes on")
        return Reloaded(is_taken=False, problems=problems)

    def health(self) -> Health:
        """Say whether the process lives and whether it is ready."""
        now = self._clock.monotonic()
        hung = [loop.name for loop in self._all_loops() if loop.vital and not loop.healthy(now)]
        waiting = self._roster.unswept()
        if hung:
            return Health(live=False, ready=False, why=f"not ticking: {', '.join(hung)}")
        if waiting:
            return Health(live=True, ready=False, why=f"not swept yet: {', '.join(waiting)}")
        try:
            return Health(live=True, ready=True, concerns=self._concerns.sentences())
        except StoreError as error:
            # the main thread asks too, and must outlive a disk in trouble
            return Health(live=True, ready=False, why=f"the state cannot be read: {error}")

    def _all_loops(self) -> list[Loop]:
        return [*self._loops, *self._roster.loops]

    def _is_all_done(self) -> bool:
        is_rejected = self._login.pause_s() is not None
        # only a person can correct the key; what waits for it stays behind
        return self._roster.is_at_rest and (is_rejected or once.is_done(self.store, self.uploads))

    def _stays_behind(self) -> bool:
        return bool(self._concerns.all()) or once.stays_behind(self.store, self.uploads)

    def _auth_until(self) -> float | None:
        pause_s = self._login.pause_s()
        return None if pause_s is None else self.store.now() + pause_s
