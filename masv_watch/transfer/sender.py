"""The loop that turns claimed uploads into complete packages.

Owns what goes out next, what a failure means for a file or an upload, and the one retry of this
room. Never sends bytes itself: pieces go to the crew, outcomes come back, rows say the rest. Built
by `daemon`; wakes at least every second and whenever something moved.

Law 1. Only this thread decides; workers do one piece each and answer.
Law 2. What waits has a row with a time; nothing is forgotten by a restart.
Law 3. A lost fence drops the work and touches nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from masv_watch.errors import (
    CloudThrottled,
    CloudUnreachable,
    FenceLost,
    IllegalTransition,
    MasvWatchError,
    NoSession,
    PackageGone,
    SourceChanged,
    SourceVanished,
    StoreError,
    TokenExpired,
)
from masv_watch.login import Login
from masv_watch.loops import Clock
from masv_watch.metrics import Metrics
from masv_watch.model import SourceFile, Transfer, UploadEvent, UploadState
from masv_watch.retry import Next, decide
from masv_watch.store.contract import Store
from masv_watch.transfer.claims import SMALL, Claim, FileInHand, Key, Step, share
from masv_watch.transfer.crew import Crew, Outcome
from masv_watch.transfer.packages import Packages
from masv_watch.transfer.sending import Sending

log = logging.getLogger(__name__)

#: seconds of a lease, and how often it is prolonged
LEASE_S = 30.0
RENEW_S = 10.0
#: seconds: an upload that waits longer than this gives its place to another
PATIENCE_S = 5.0
#: seconds between two looks at an upload that waits for its drop to settle again
RELOOK_S = 2.0
#: seconds between two log lines about a store that takes nothing
QUIET_S = 10.0
_BRIEFLY_S = 0.1

_GONE_CURE = "nothing is made again by itself: drop the files once more under another name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What the sender has done by others."""

    packages: Packages
    sending: Sending
    crew: Crew[Key]
    login: Login


class Sender:
    """The uploads in hand; `tick` is called by one loop."""

    def __init__(
        self,
        store: Store,
        effects: Effects,
        *,
        transfer: Callable[[], Transfer],
        source_changed: Callable[[str | None], None],
        clock: Clock,
        metrics: Metrics,
        luck: Callable[[], float],
    ) -> None:
        """Begin with nothing in hand; `source_changed` is told which hot folder to look at."""
        self._store = store
        self._effects = effects
        self._crew = effects.crew
        self._transfer = transfer
        self._source_changed = source_changed
        self._clock = clock
        self._metrics = metrics
        self._luck = luck
        self._claims: dict[str, Claim] = {}
        self._slow_until = 0.0
        self._quiet_until = 0.0
        self._stopping = False
        self._turn = 0

    def tick(self) -> float:
        """Take outcomes, claim what is due and hand out pieces; give the seconds to the next."""
        for outcome in self._crew.take_outcomes():
            self._weigh(outcome)
        if self._stopping:
            self._take_back()
        # leases are prolonged before anything is claimed: one that ran out while this machine slept
        # would be claimed again by ourselves
        for claim in self._in_turn():
            self._attend(claim)
        if not self._stopping:
            for claim in self._take_up():
                self._attend(claim)
        self._metrics.gauge("uploads_in_hand", len(self._claims))
        return self._pause_s()

    def _pause_s(self) -> float:
        # of a claim that has nothing out, no outcome will ring the bell
        still = [claim.rest_until for claim in self._claims.values() if claim.out == 0]
        return min(max(min(still) - self._store.now(), _BRIEFLY_S), 1.0) if still else 1.0

    def stop(self) -> None:
        """Hand out nothing more; pieces that are out may end."""
        self._stopping = True

    def abort(self) -> None:
        """Let the pieces that are out give up at their next block; any thread may ask."""
        for claim in list(self._claims.values()):
            claim.abort.set()

    @property
    def is_still(self) -> bool:
        """Say whether nothing is out any more."""
        return self._crew.busy == 0

    def _in_turn(self) -> list[Claim]:
        """List the claims, each tick with another one first: a large one starves nobody."""
        claims = list(self._claims.values())
        self._turn = (self._turn + 1) % max(len(claims), 1)
        return claims[self._turn :] + claims[: self._turn]

    def _take_back(self) -> None:
        """Take what no worker has begun: its row says that it is still to be done."""
        for key in self._crew.take_back():
            key.claim.out -= 1
            if key.in_hand is not None:
                key.in_hand.out -= 1

    def _take_up(self) -> list[Claim]:
        """Claim what is due, as far as there is a place for it."""
        try:
            self._store.finalize_due()
            free = self._transfer().active_uploads - len(self._claims)
            uploads = self._store.claim_uploads(free, LEASE_S) if free > 0 else []
        except StoreError as error:
            self._tell_refusal("the store gave no further upload", error)
            return []
        now = self._store.now()
        new = [Claim(upload=upload, renewed_at=now) for upload in uploads]
        self._claims.update({claim.upload.id: claim for claim in new})
        return new

    def _tell_refusal(self, sentence: str, error: StoreError) -> None:
        """Log what the store refused, but not at every tick: a full disk lasts."""
        now = self._clock.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_S
            log.warning(sentence, extra={"reason": str(error)})

    def _attend(self, claim: Claim) -> None:
        """Bring one claim a step further."""
        try:
            self._renew(claim)
            if claim.ending or self._stopping or claim.upload.state not in _AT_WORK:
                claim.ending = True
                self._let_go_when_still(claim)
            elif not claim.renewing and self._store.now() >= self._rests_until(claim):
                self._hand_out(claim)
        except FenceLost:
            self._drop(claim)
        except StoreError as error:
            # the rows stand as they are; the next tick tries again
            self._tell_refusal("the store did not take a step", error)

    def _rests_until(self, claim: Claim) -> float:
        return max(self._slow_until, claim.rest_until if claim.out == 0 else 0.0)

    def _renew(self, claim: Claim) -> None:
        now = self._store.now()
        row = self._store.upload(claim.upload.id)
        if row is None or row.fence != claim.upload.fence:
            raise FenceLost(f"upload {claim.upload.id} has a newer claim")
        claim.upload = row
        if now - claim.renewed_at >= RENEW_S:
            claim.upload = self._store.renew(row.id, row.fence, LEASE_S)
            claim.renewed_at = now

    def _hand_out(self, claim: Claim) -> None:
        upload = claim.upload
        if upload.state is UploadState.FINALIZING:
            if claim.out == 0:
                packages = self._effects.packages
                self._give(Key(claim=claim, step=Step.FINALIZE), partial(packages.finalize, upload))
        elif upload.package_id is None:
            if claim.out == 0:
                packages = self._effects.packages
                self._give(Key(claim=claim, step=Step.OPEN_PACKAGE), partial(packages.open, upload))
        else:
            self._hand_out_files(claim)

    def _hand_out_files(self, claim: Claim) -> None:
        self._fill(claim)
        for in_hand in list(claim.files.values()):
            if self._crew.room == 0:
                return
            self._hand_out_file(claim, in_hand)
        if not claim.files and claim.out == 0:
            self._conclude(claim)

    def _fill(self, claim: Claim) -> None:
        """Take more files in hand, storing the intent to add them in one transaction."""
        room = 2 * self._crew.size - len(claim.files)
        if room < self._crew.size // 2 + 1:
            return
        rows = self._store.next_files(claim.upload.id, room + len(claim.files))
        new = [row for row in rows if row.id not in claim.files][:room]
        to_open = [row.id for row in new if row.cloud_id is None and not row.open_asked]
        if to_open:
            self._store.note_files_asked(claim.upload.id, claim.upload.fence, to_open)
        for row in new:
            claim.files[row.id] = self._take_in_hand(row)

    def _take_in_hand(self, row: SourceFile) -> FileInHand:
        in_hand = FileInHand(
            file=row,
            may_exist=row.open_asked and row.cloud_id is None,
            may_be_closed=row.close_asked,
            was_begun=row.cloud_id is not None,
            is_small=row.identity.size <= min(SMALL, row.chunk_size or SMALL),
        )
        if row.cloud_id is not None:
            in_hand.cut(self._store.chunks(row.id))
        return in_hand

    def _hand_out_file(self, claim: Claim, in_hand: FileInHand) -> None:
        sending = self._effects.sending
        if in_hand.stopped:
            return
        if in_hand.is_small:
            if in_hand.out == 0:
                self._give_file(claim, in_hand, Step.SHIP_FILE, sending.ship)
        elif in_hand.to_send is None:
            if in_hand.out == 0:
                self._give_file(claim, in_hand, Step.OPEN_FILE, sending.open)
        elif in_hand.to_send:
            self._hand_out_chunks(claim, in_hand)
        elif in_hand.out == 0:
            self._give_file(claim, in_hand, Step.CLOSE_FILE, sending.close)

    def _give_file(
        self,
        claim: Claim,
        in_hand: FileInHand,
        step: Step,
        effect: Callable[[Claim, FileInHand], None],
    ) -> None:
        self._give(Key(claim=claim, step=step, in_hand=in_hand), partial(effect, claim, in_hand))

    def _hand_out_chunks(self, claim: Claim, in_hand: FileInHand) -> None:
        sending = self._effects.sending
        now, claims = self._store.now(), self._claims.values()
        fair = share(claim, claims, workers=self._crew.size, now=now)
        while in_hand.to_send and self._crew.room and claim.out < fair:
            span = in_hand.to_send.pop(0)
            key = Key(claim=claim, step=Step.SEND_CHUNK, in_hand=in_hand, span=span)
            self._give(key, partial(sending.send, claim, in_hand, span))

    def _give(self, key: Key, piece: Callable[[], None]) -> None:
        key.claim.out += 1
        if key.in_hand is not None:
            key.in_hand.out += 1
        self._crew.hand_in(key, piece)

    def _conclude(self, claim: Claim) -> None:
        """Decide what follows when nothing can be sent now; what is finalized at once is kept."""
        upload = claim.upload
        next_at = self._store.next_retry(upload.id)
        if next_at is not None:
            now = self._store.now()
            # looked at every second all the same: a reload or a source may end the wait
            claim.rest_until = min(next_at, now + 1.0)
            if next_at - now > PATIENCE_S:
                told = (file.error for file in self._store.files(upload.id) if not file.closed)
                self._end(claim, retry_at=next_at, error=next(filter(None, told), ""))
            return
        if not self._store.advance_all_sent(upload.id, upload.fence):
            self._end(claim, retry_at=self._store.now() + RELOOK_S)
        elif upload.id not in self._store.finalize_due():
            self._end(claim)

    def _end(self, claim: Claim, *, retry_at: float = 0.0, error: str = "") -> None:
        claim.retry_at, claim.error, claim.ending = retry_at, error, True
        self._let_go_when_still(claim)

    def _let_go_when_still(self, claim: Claim) -> None:
        if claim.out:
            return
        self._store.let_go(
            claim.upload.id,
            claim.upload.fence,
            retry_at=claim.retry_at,
            attempts=claim.attempts,
            error=claim.error,
        )
        self._claims.pop(claim.upload.id, None)

    def _drop(self, claim: Claim) -> None:
        claim.abort.set()
        self._claims.pop(claim.upload.id, None)

    def _weigh(self, outcome: Outcome[Key]) -> None:
        """Draw the consequence of one outcome."""
        key = outcome.key
        key.claim.out -= 1
        if key.in_hand is not None:
            key.in_hand.out -= 1
        error = outcome.error
        if outcome.crashed:
            error = CloudUnreachable("a worker crashed; the log has the traceback")
        if self._claims.get(key.claim.upload.id) is not key.claim:
            return
        try:
            self._consider(key, error)
        except IllegalTransition:
            # a person paused, resumed or deleted it meanwhile: the row decides at the next tick
            key.claim.ending = True
        except StoreError as trouble:
            self._tell_refusal("the store did not take an outcome", trouble)
            key.claim.ending = True

    def _consider(self, key: Key, error: MasvWatchError | None) -> None:
        try:
            if error is None:
                self._done(key)
            else:
                self._failed(key, error)
        except FenceLost:
            self._lose(key)
            self._release_stopped(key)

    def _done(self, key: Key) -> None:
        key.claim.is_token_fresh = key.step is Step.RENEW_TOKEN
        if key.step in {Step.SHIP_FILE, Step.CLOSE_FILE} and key.in_hand is not None:
            if not key.in_hand.missing:
                key.claim.files.pop(key.in_hand.file.id, None)
        elif key.step is Step.RENEW_TOKEN:
            key.claim.renewing = False
        elif key.step is Step.FINALIZE:
            self._end(key.claim)
        self._release_stopped(key)

    def _release_stopped(self, key: Key) -> None:
        in_hand = key.in_hand
        if in_hand is not None and in_hand.stopped and in_hand.out == 0:
            key.claim.files.pop(in_hand.file.id, None)

    def _failed(self, key: Key, error: MasvWatchError) -> None:
        claim = key.claim
        self._metrics.count("failures", step=key.step, code=error.code)
        if isinstance(error, FenceLost):
            self._lose(key)
        elif isinstance(error, TokenExpired) and self._may_renew(key):
            self._renew_token(key)
        elif isinstance(error, NoSession):
            self._await_session(claim)
        elif claim.abort.is_set():
            claim.ending = True
        elif isinstance(error, SourceChanged | SourceVanished):
            self._source_differs(key, error)
        elif isinstance(error, PackageGone):
            self._fail(claim, PackageGone(error.message, hint=_GONE_CURE, **error.facts))
        else:
            self._slow_down(error)
            self._retry(key, error)
        self._release_stopped(key)

    def _lose(self, key: Key) -> None:
        """Let go of what is not ours any more: a file that began anew, or else the claim."""
        claim = key.claim
        row = self._store.upload(claim.upload.id)
        if row is None or row.fence != claim.upload.fence:
            self._drop(claim)
        elif key.in_hand is not None:
            key.in_hand.stopped = True
        else:
            self._end(claim, retry_at=self._store.now() + RELOOK_S)

    def _may_renew(self, key: Key) -> bool:
        """Say whether a fresh token can help: not when the last one was refused as well."""
        claim = key.claim
        return key.step is not Step.RENEW_TOKEN and (claim.renewing or not claim.is_token_fresh)

    def _renew_token(self, key: Key) -> None:
        """Put the piece back and get a fresh token before anything else goes out."""
        claim = key.claim
        if key.in_hand is not None:
            key.in_hand.stopped = True
        if claim.renewing:
            return
        claim.renewing = True
        renew = partial(self._effects.packages.renew_token, claim.upload)
        self._give(Key(claim=claim, step=Step.RENEW_TOKEN), renew)

    def _await_session(self, claim: Claim) -> None:
        login = self._effects.login
        login.refused()
        at = self._store.now() + (login.pause_s() or 1.0)
        self._end(claim, retry_at=at, error="the cloud refuses the API key")

    def _source_differs(self, key: Key, error: MasvWatchError) -> None:
        claim, in_hand = key.claim, key.in_hand
        if in_hand is None:
            self._end(claim, retry_at=self._store.now() + RELOOK_S)
        elif self._has_begun_anew(in_hand):
            # only the version in hand is over; its row holds the one that settled since
            in_hand.stopped = True
            return
        elif not in_hand.stopped:
            in_hand.stopped = True
            self._store.note_source_changed(in_hand.file, claim.upload.fence, str(error))
            log.info(
                "a source changed; it waits until it is quiet again",
                extra={"upload": claim.upload.id, "reason": str(error)},
            )
        self._source_changed(claim.upload.hot_folder)

    def _has_begun_anew(self, in_hand: FileInHand) -> bool:
        row = self._store.file(in_hand.file.id)
        return row is None or row.identity != in_hand.file.identity

    def _slow_down(self, error: MasvWatchError) -> None:
        wait_s = error.facts.get("retry_after_s")
        if isinstance(error, CloudThrottled) and isinstance(wait_s, int | float):
            self._slow_until = max(self._slow_until, self._store.now() + float(wait_s))

    def _retry(self, key: Key, error: MasvWatchError) -> None:
        claim, in_hand = key.claim, key.in_hand
        attempts = 1 + self._attempts(key)
        decision = decide(error, attempts, self._store.now(), self._luck())
        if decision.next is not Next.AGAIN or decision.at is None:
            self._fail(claim, error)
            return
        log.warning(
            "a step failed and is tried again",
            extra={
                "upload": claim.upload.id,
                "step": key.step,
                "attempt": attempts,
                "again_in_s": round(decision.at - self._store.now(), 1),
                "reason": str(error),
            },
        )
        if in_hand is None:
            claim.attempts = attempts
            self._end(claim, retry_at=decision.at, error=str(error))
            return
        if not in_hand.stopped:
            in_hand.stopped = True
            self._store.note_file_retry(
                in_hand.file,
                claim.upload.fence,
                attempts=attempts,
                retry_at=decision.at,
                error=str(error),
            )

    def _attempts(self, key: Key) -> int:
        """Count the failures in a row so far: what went through meanwhile began the count anew."""
        if key.in_hand is None:
            return key.claim.upload.attempts
        row = self._store.file(key.in_hand.file.id)
        return 0 if row is None else row.attempts

    def _fail(self, claim: Claim, error: MasvWatchError) -> None:
        """Stop an upload until a person resumes it."""
        self._store.advance_claimed(
            claim.upload, UploadEvent.FAIL, code=error.code, error=str(error)
        )
        log.error(
            "an upload failed",
            extra={
                "upload": claim.upload.id,
                "code": error.code,
                "reason": error.message,
                "cure": error.hint or f"masv-watch resume {claim.upload.id}",
            },
        )
        claim.error = str(error)
        claim.abort.set()
        claim.ending = True


_AT_WORK: Iterable[UploadState] = {UploadState.TRANSFERRING, UploadState.FINALIZING}
