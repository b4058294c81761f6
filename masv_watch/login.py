"""Who we are to the cloud, and the one alarm when it does not believe us.

Owns the key or user token in use, the teams that it opens, and the pause of its calls after a
refusal. Never retries a call itself. Asked by the sender and the outbox before every call of a
team, and by the API for session and teams.

Law 1. A configured key speaks alone; a sign-in's token speaks only while there is none.
Law 2. A token is forgotten only when the cloud refused exactly that one: a late refusal of an
       older one never ends a session that began since.
Law 3. Nobody who asks for what is already known waits for the cloud.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from masv_watch.cloud import reading, wire
from masv_watch.cloud.client import CloudClient
from masv_watch.errors import CloudError, CloudGarbled, CloudRefused, NoSession
from masv_watch.logs import register_secrets
from masv_watch.loops import Clock
from masv_watch.metrics import Metrics
from masv_watch.model import Masv, Secret
from masv_watch.names import shown
from masv_watch.retry import auth_pause_s

log = logging.getLogger(__name__)

#: seconds: who asks for the session, or for a team that is not known, asks the cloud no sooner
FRESH_S = 60.0
#: characters of a name that an error repeats
_SHOWN = 80
#: teams that an error lists
_LISTED = 20
_NOBODY = wire.User(id="", email="", name="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who we are to the cloud, as `GET /login` shows it."""

    #: all texts empty where a key speaks: the cloud does not say whose it is
    user: wire.User
    teams: tuple[wire.Team, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the cloud last told of our teams."""

    #: None: not told yet
    teams: tuple[wire.Team, ...] | None = None
    #: seconds, monotonic clock; None: ask before this is shown as the session
    asked_at: float | None = None
    #: why the last ask failed
    trouble: CloudError | None = None


class Login:
    """The key of one configuration, or what a sign-in gave; any thread may ask."""

    def __init__(
        self,
        cloud: CloudClient,
        masv: Masv,
        *,
        clock: Clock,
        metrics: Metrics,
        remembered: str | None = None,
        remember: Callable[[str | None], None] = lambda _text: None,
    ) -> None:
        """Begin with a key that nobody has refused yet.

        `remembered` is the text that `remember` was last given, before the restart: it holds a
        secret. None: nobody is signed in.
        """
        self._cloud = cloud
        self._clock = clock
        self._metrics = metrics
        self._remember = remember
        self._lock = threading.Lock()
        #: held while the cloud is asked for the teams
        self._asking = threading.Lock()
        #: held while what is remembered and what is known change together
        self._changing = threading.Lock()
        self._signed = _recalled(remembered, masv.api_url)
        self._masv = masv
        self._known = _Known()
        self._failures = 0
        self._paused_until: float | None = None
        self.adopt(masv)

    def adopt(self, masv: Masv) -> None:
        """Take over a reloaded configuration: the key gets a new chance at once."""
        with self._lock:
            self._masv = masv
            signed = self._signed if masv.api_key is None else None
            self._begin_anew(_Known(teams=None if signed is None else signed.teams))
        self._metrics.gauge("auth_refused", 0)

    def pause_s(self) -> float | None:
        """Give the seconds until who was refused is tried again, or None when nobody was."""
        with self._lock:
            return self._left_s()

    def key(self) -> Secret:
        """Give the key or the user token in use, unless its calls are paused.

        Raises:
            NoSession: there is none, or it was refused a short while ago.
        """
        with self._lock:
            proof, left_s = self._proof(), self._left_s()
        if proof is None:
            raise _nobody()
        if left_s:
            raise NoSession(f"the cloud refused the {_noun(proof)}", hint=_cure(proof))
        return proof

    def known_teams(self) -> tuple[wire.Team, ...] | None:
        """Give the teams as far as they are known without asking; None when they are not."""
        with self._lock:
            return self._known.teams

    def team_id(self, wanted: str | None = None) -> str:
        """Give the id of a team by its id or subdomain, by default of the configured one.

        The cloud is asked once for each configuration, and at most once a minute for a team that
        is not among ours.

        Raises:
            NoSession: the key is refused or missing.
            CloudRefused: we do not belong to that team, or several leave a choice; they are named.
        """
        with self._lock:
            named, wanted = wanted, wanted or self._masv.team
        found = _found(wanted, self.known_teams())
        if found is None:
            with self._asking:
                # whoever asked while we waited may have asked for us
                teams = self.known_teams()
                if teams is None or (_found(wanted, teams) is None and not self._is_fresh()):
                    teams = self._ask(self.key())
            found = _found(wanted, teams)
            if found is None:
                raise self._no_such(wanted, teams, is_configured=not named)
        return found

    def session(self) -> Session:
        """Give user and teams; the cloud is asked at most once a minute.

        Raises:
            NoSession: there is no key and nobody is signed in, or the cloud refuses us.
            CloudError: the cloud could not be asked, now or within the last minute.
        """
        session = self._fresh_session()
        if session is None:
            with self._asking:
                session = self._fresh_session()
                if session is None:
                    proof = self._proof_for_a_look()
                    session = self._session_of(proof, self._ask(proof))
        return session

    def sign_in(self, email: str, password: Secret) -> Session:
        """Try e-mail and password at the cloud and, unless a key is configured, become that user.

        Raises:
            NoSession: they are wrong.
        """
        signed = self._cloud.sign_in(email, password)
        register_secrets(signed.token, lasting=True)
        asked_at = None
        try:
            signed = replace(signed, teams=tuple(self._cloud.teams(signed.token)))
            asked_at = self._clock.monotonic()
        except CloudError as error:
            # the sign-in itself named the teams, without their limits
            log.warning("the teams could not be listed", extra={"reason": error.message})
        self._begin_session(signed, _Known(teams=signed.teams, asked_at=asked_at))
        return Session(user=signed.user, teams=signed.teams)

    def refused(self) -> None:
        """Note that the cloud refused us: pause our calls, and raise one alarm."""
        with self._lock:
            if self._left_s():
                return
            proof = self._proof()
            # which token was refused is not said here: the next one who needs a team asks
            is_doubtful = isinstance(proof, wire.UserToken)
            self._known = _Known(teams=None if is_doubtful else self._known.teams)
            self._failures += 1
            pause_s = auth_pause_s(self._failures)
            self._paused_until = self._clock.monotonic() + pause_s
        self._metrics.gauge("auth_refused", 1)
        what = "we are not signed in to the cloud"
        log.error(
            "%s; nothing is sent to the team until it is corrected",
            what if proof is None else f"the cloud refuses the {_noun(proof)}",
            extra={"code": NoSession.code, "again_in_s": pause_s, "cure": _cure(proof)},
        )

    def accepted(self) -> None:
        """Note that a call with the key or the token went through."""
        with self._lock:
            if self._paused_until is None:
                return
            self._failures, self._paused_until = 0, None
        self._metrics.gauge("auth_refused", 0)
        log.info("the cloud accepts us again")

    def cure(self) -> str:
        """Say what a person can do when the cloud refuses us, as a clause."""
        with self._lock:
            return _cure(self._proof())

    def _ask(self, proof: Secret) -> tuple[wire.Team, ...]:
        """Ask for the teams; called by whoever holds `_asking`."""
        try:
            teams = tuple(self._cloud.teams(proof))
        except NoSession:
            # noted before the next one asks: a refused key costs one call for each pause
            self._disbelieve(proof)
            raise
        except CloudError as error:
            self._learn(proof, trouble=error)
            raise
        if self._learn(proof, teams=teams):
            self.accepted()
        return teams

    def _learn(
        self,
        proof: Secret,
        *,
        teams: tuple[wire.Team, ...] | None = None,
        trouble: CloudError | None = None,
    ) -> bool:
        """Keep what an ask told, unless a reload or a sign-in came in between."""
        with self._lock:
            if self._proof() != proof:
                return False
            self._known = _Known(
                teams=self._known.teams if teams is None else teams,
                asked_at=self._clock.monotonic(),
                trouble=trouble,
            )
            return True

    def _disbelieve(self, proof: Secret) -> None:
        """Note that the cloud refused exactly this; a token is forgotten."""
        with self._changing:
            with self._lock:
                if self._proof() != proof:
                    return
                is_over = isinstance(proof, wire.UserToken)
                if is_over:
                    self._signed, self._known = None, _Known()
            if is_over:
                log.warning("the cloud refuses the user token: the session is over")
                self._remember(None)
        self.refused()

    def _begin_session(self, signed: wire.SignedIn, known: _Known) -> None:
        with self._changing:
            with self._lock:
                masv = self._masv
            if masv.api_key is not None:
                return
            # stored first: what would not survive a restart is no session
            tree = {"api_url": masv.api_url, **wire.sign_in_answer(signed)}
            self._remember(json.dumps(tree))
            with self._lock:
                self._signed = signed
                self._begin_anew(known)
        self._metrics.gauge("auth_refused", 0)
        log.info("signed in to the cloud", extra={"user": signed.user.email})

    def _begin_anew(self, known: _Known) -> None:
        """Forget every refusal; called under the lock."""
        self._known = known
        self._failures, self._paused_until = 0, None

    def _proof(self) -> Secret | None:
        if self._masv.api_key is not None:
            return self._masv.api_key
        return None if self._signed is None else self._signed.token

    def _proof_for_a_look(self) -> Secret:
        """Give what to ask with: a doubtful token at once, a refused key at its next trial."""
        with self._lock:
            proof = self._proof()
        return proof if isinstance(proof, wire.UserToken) else self.key()

    def _left_s(self) -> float | None:
        if self._paused_until is None:
            return None
        return max(0.0, self._paused_until - self._clock.monotonic())

    def _is_fresh(self) -> bool:
        asked_at = self._known.asked_at
        return asked_at is not None and self._clock.monotonic() - asked_at < FRESH_S

    def _fresh_session(self) -> Session | None:
        """Give the session of less than a minute ago, or raise what stood in its way."""
        with self._lock:
            proof, known, is_fresh = self._proof(), self._known, self._is_fresh()
        if proof is None:
            raise _nobody()
        if not is_fresh:
            return None
        if known.trouble is not None:
            trouble = known.trouble
            raise type(trouble)(trouble.message, hint=trouble.hint, **trouble.facts)
        return None if known.teams is None else self._session_of(proof, known.teams)

    def _session_of(self, proof: Secret, teams: tuple[wire.Team, ...]) -> Session:
        with self._lock:
            signed = self._signed
        is_theirs = signed is not None and proof is signed.token
        return Session(user=signed.user if signed and is_theirs else _NOBODY, teams=teams)

    def _no_such(
        self, wanted: str | None, teams: tuple[wire.Team, ...], *, is_configured: bool
    ) -> CloudRefused:
        with self._lock:
            noun = _noun(self._proof())
        ours = ", ".join(_shown(team.subdomain or team.id) for team in teams[:_LISTED]) or "none"
        if wanted is None:
            return CloudRefused(
                f"the {noun} belongs to {len(teams)} teams, and none was named",
                hint=f"name one of its teams ({ours}), or set masv.team and reload (SIGHUP)",
            )
        set_it = f"set masv.team to one of its teams ({ours}) and reload (SIGHUP)"
        return CloudRefused(
            f"the {noun} does not belong to team '{_shown(wanted)}'",
            hint=set_it if is_configured else f"name one of its teams ({ours})",
        )


def _found(wanted: str | None, teams: tuple[wire.Team, ...] | None) -> str | None:
    if teams is None:
        return None
    if wanted is None:
        return teams[0].id if len(teams) == 1 else None
    named = wanted.lower()
    return next(
        (team.id for team in teams if wanted == team.id or named == team.subdomain.lower()), None
    )


def _recalled(text: str | None, api_url: str) -> wire.SignedIn | None:
    """Read what was remembered; another cloud's token must not be shown to this one."""
    if text is None:
        return None
    try:
        tree = reading.parse(text.encode("utf-8", "replace"))
        signed = wire.signed_in(tree)
    except CloudGarbled:
        log.warning("the remembered sign-in cannot be read: sign in again")
        return None
    if tree.get("api_url") != api_url:
        return None
    register_secrets(signed.token, lasting=True)
    return signed


def _nobody() -> NoSession:
    return NoSession("session is nil", hint=_cure(None))


def _noun(proof: Secret | None) -> str:
    return "user token" if isinstance(proof, wire.UserToken) else "API key"


def _cure(proof: Secret | None) -> str:
    if proof is None:
        return "set masv.api_key, then masv-watch reload; or sign in (POST /api/v1/login)"
    if isinstance(proof, wire.UserToken):
        return "sign in again (POST /api/v1/login); or set masv.api_key, then masv-watch reload"
    if proof.origin.startswith("credential "):
        # systemd hands credentials over at the start alone: a reload reads the same one again
        return f"correct the {proof.origin} of masv.api_key, then systemctl restart masv-watch"
    return "correct masv.api_key, then masv-watch reload"


def _shown(text: str) -> str:
    return shown(text.encode("utf-8", "surrogatepass"))[:_SHOWN]
