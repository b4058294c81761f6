"""Who we are to the cloud, and the one alarm when it does not believe us.

Owns the API key in use, the team that it belongs to, and the pause of its calls after a refusal.
Never retries a call itself. Asked by the sender and the outbox before every call with the key.
"""

from __future__ import annotations

import logging
import threading

from masv_watch.cloud.client import CloudClient
from masv_watch.errors import CloudRefused, NoSession
from masv_watch.loops import Clock
from masv_watch.metrics import Metrics
from masv_watch.model import Masv, Secret
from masv_watch.retry import auth_pause_s

log = logging.getLogger(__name__)


class Login:
    """The key of one configuration; any thread may ask."""

    def __init__(self, cloud: CloudClient, masv: Masv, *, clock: Clock, metrics: Metrics) -> None:
        """Begin with a key that nobody has refused yet."""
        self._cloud = cloud
        self._clock = clock
        self._metrics = metrics
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self.adopt(masv)

    def adopt(self, masv: Masv) -> None:
        """Take over a reloaded configuration: the key gets a new chance at once."""
        with self._lock:
            self._masv = masv
            self._team_id: str | None = None
            self._failures = 0
            self._paused_until: float | None = None
        self._metrics.gauge("auth_refused", 0)

    def pause_s(self) -> float | None:
        """Give the seconds until a refused key is tried again, or None when it is not refused."""
        with self._lock:
            if self._paused_until is None:
                return None
            return max(0.0, self._paused_until - self._clock.monotonic())

    def key(self) -> Secret:
        """Give the key, unless its calls are paused.

        Raises:
            NoSession: there is none, or it was refused a short while ago.
        """
        pause_s = self.pause_s()
        with self._lock:
            key = self._masv.api_key
        if key is None:
            raise NoSession("session is nil", hint="set masv.api_key and reload (SIGHUP)")
        if pause_s:
            raise NoSession(
                "the cloud refused the API key",
                hint="correct masv.api_key and reload the configuration (SIGHUP)",
            )
        return key

    def team_id(self) -> str:
        """Give the id of the configured team, asked once per configuration.

        Raises:
            NoSession: the key is refused or missing.
            CloudRefused: the key does not belong to that team; its teams are named.
        """
        with self._asking:
            with self._lock:
                masv, known = self._masv, self._team_id
            if known is None:
                known = self._ask_team(masv)
                with self._lock:
                    # a reload meanwhile may name another team
                    if self._masv is masv:
                        self._team_id = known
            return known

    def refused(self) -> None:
        """Note that the cloud refused the key: pause its calls, and raise one alarm."""
        with self._lock:
            if self._paused_until is not None and (self._paused_until > self._clock.monotonic()):
                return
            self._failures += 1
            pause_s = auth_pause_s(self._failures)
            self._paused_until = self._clock.monotonic() + pause_s
        self._metrics.gauge("auth_refused", 1)
        log.error(
            "the cloud refuses the API key; nothing is sent to the team until it is corrected",
            extra={"again_in_s": pause_s, "cure": "correct masv.api_key, then reload (SIGHUP)"},
        )

    def accepted(self) -> None:
        """Note that a call with the key went through."""
        with self._lock:
            if self._paused_until is None:
                return
            self._failures, self._paused_until = 0, None
        self._metrics.gauge("auth_refused", 0)
        log.info("the cloud accepts the API key again")

    def _ask_team(self, masv: Masv) -> str:
        try:
            return self._find_team(masv.team)
        except NoSession:
            # noted before the next one asks: a refused key costs one call for each pause
            self.refused()
            raise

    def _find_team(self, wanted: str | None) -> str:
        teams = self._cloud.teams(self.key())
        self.accepted()
        for team in teams:
            if wanted in {team.subdomain, team.id}:
                return team.id
        known = ", ".join(team.subdomain for team in teams) or "none"
        raise CloudRefused(
            f"the API key does not belong to team {wanted!r}",
            hint=f"set masv.team to one of its teams ({known}) and reload (SIGHUP)",
        )
