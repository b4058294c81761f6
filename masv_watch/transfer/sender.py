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
from masv_watch.model import SourceFile, Transfer, Upload, UploadEvent, UploadState
from masv_watch.retry import Next, decide
from masv_watch.store.contract import Store
from masv_watch.transfer.claims import SMALL, Claim, FileInHand, Key, Step
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
_BRIEFLY_S = 0.1

_FILE_STEPS = {Step.SHIP_FILE, Step.OPEN_FILE, Step.SEND_CHUNK, Step.CLOSE_FILE}


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
        self._stopping = False
        self._turn = 0

    def tick(self) -> float:
        """Take outcomes, claim what is due and hand out pieces; give the seconds to the next."""
        for outcome in self._crew.take_outcomes():
            self._weigh(outcome)
        if not self._stopping:
            self._store.finalize_due()
            self._claim_more()
        for claim in self._in_turn():
            self._attend(claim)
        self._metrics.gauge("uploads_in_hand", len(self._claims))
        return _BRIEFLY_S if self._waits_for_time() else 1.0

    def stop(self) -> None:
        """Hand out nothing more; pieces that are out may end."""
        self._stopping = True

    def abort(self) -> None:
        """Let the pieces that are out give up at their next block."""
        for claim in self._claims.values():
            claim.abort.set()

    @property
    def is_still(self) -> bool:
        """Say whether nothing is out any more."""
        return self._crew.busy == 0

    def let_all_go(self) -> None:
        """End every lease, so that a next start need not wait for it."""
        for claim in list(self._claims.values()):
            claim.ending = True
            self._let_go_when_still(claim)

    def _waits_for_time(self) -> bool:
        """Say whether a claim has nothing out, so that no outcome will ring the bell for it."""
        return any(claim.out == 0 for claim in self._claims.values())

    def _in_turn(self) -> list[Claim]:
        """List the claims, each tick with another one first: a large one starves nobody."""
        claims = list(self._claims.values())
        self._turn = (self._turn + 1) % max(len(claims), 1)
        return claims[self._turn :] + claims[: self._turn]

    def _claim_more(self) -> None:
        free = self._transfer().active_uploads - len(self._claims)
        if free <= 0:
            return
        for upload in self._store.claim_uploads(free, LEASE_S):
            self._claims[upload.id] = Claim(upload=upload, renewed_at=self._store.now())

    def _attend(self, claim: Claim) -> None:
        """Bring one claim a step further."""
        try:
            self._renew(claim)
            if claim.ending or self._stopping or claim.upload.state not in _AT_WORK:
                claim.ending = True
                self._let_go_when_still(claim)
            elif self._store.now() >= self._slow_until and not claim.renewing:
                self._hand_out(claim)
        except FenceLost:
            self._drop(claim)
        except StoreError as error:
            # the rows stand as they are; the next tick tries again
            log.warning("the store did not take a step", extra={"reason": str(error)})

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
                self._give(Key(claim=claim, step=Step.FINALIZE), self._finalize_piece(upload))
        elif upload.package_id is None:
            if claim.out == 0:
                packages = self._effects.packages
                self._give(Key(claim=claim, step=Step.OPEN_PACKAGE), lambda: packages.open(upload))
        else:
            self._hand_out_files(claim)

    def _finalize_piece(self, upload: Upload) -> Callable[[], None]:
        return lambda: self._effects.packages.finalize(upload)

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
        self._give(Key(claim=claim, step=step, in_hand=in_hand), lambda: effect(claim, in_hand))

    def _hand_out_chunks(self, claim: Claim, in_hand: FileInHand) -> None:
        sending = self._effects.sending
        while in_hand.to_send and self._crew.room:
            with in_hand.lock:
                span = in_hand.to_send.pop(0)
            key = Key(claim=claim, step=Step.SEND_CHUNK, in_hand=in_hand, span=span)

            def piece(span: object = span) -> None:
                sending.send(claim, in_hand, span)  # type: ignore[arg-type] # bound just above

            self._give(key, piece)

    def _give(self, key: Key, piece: Callable[[], None]) -> None:
        key.claim.out += 1
        if key.in_hand is not None:
            key.in_hand.out += 1
        self._crew.hand_in(key, piece)

    def _conclude(self, claim: Claim) -> None:
        """Decide what follows when nothing of an upload can be sent now."""
        upload = claim.upload
        next_at = self._store.next_retry(upload.id)
        if next_at is not None:
            if next_at - self._store.now() > PATIENCE_S:
                self._end(claim, retry_at=next_at, error=self._first_error(upload.id))
            return
        if self._store.advance_all_sent(upload.id, upload.fence):
            self._end(claim)
        else:
            self._end(claim, retry_at=self._store.now() + RELOOK_S)

    def _first_error(self, upload_id: str) -> str:
        errors = (file.error for file in self._store.files(upload_id) if not file.closed)
        return next((error for error in errors if error), "")

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
        claim.ending = True
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
            if error is None:
                self._done(key)
            else:
                self._failed(key, error)
        except FenceLost:
            self._drop(key.claim)
        except IllegalTransition:
            # a person paused, resumed or deleted it meanwhile: the row decides at the next tick
            key.claim.ending = True
        except StoreError as trouble:
            log.warning("the store did not take an outcome", extra={"reason": str(trouble)})
            key.claim.ending = True

    def _done(self, key: Key) -> None:
        if key.step in {Step.SHIP_FILE, Step.CLOSE_FILE} and key.in_hand is not None:
            if not key.in_hand.missing:
                key.claim.files.pop(key.in_hand.file.id, None)
        elif key.step is Step.RENEW_TOKEN:
            key.claim.renewing = False
        elif key.step is Step.FINALIZE:
            self._end(key.claim)
        elif key.step is Step.OPEN_PACKAGE:
            key.claim.attempts = 0
        self._release_stopped(key)

    def _release_stopped(self, key: Key) -> None:
        in_hand = key.in_hand
        if in_hand is not None and in_hand.stopped and in_hand.out == 0:
            key.claim.files.pop(in_hand.file.id, None)

    def _failed(self, key: Key, error: MasvWatchError) -> None:
        claim = key.claim
        self._metrics.count("failures", step=key.step, code=error.code)
        if isinstance(error, FenceLost):
            self._drop(claim)
        elif isinstance(error, TokenExpired) and key.step is not Step.RENEW_TOKEN:
            self._renew_token(key)
        elif isinstance(error, NoSession):
            self._await_session(claim)
        elif claim.abort.is_set():
            claim.ending = True
        elif isinstance(error, SourceChanged | SourceVanished):
            self._source_differs(key, error)
        elif isinstance(error, PackageGone):
            self._fail(claim, error)
        else:
            self._slow_down(error)
            self._retry(key, error)
        self._release_stopped(key)

    def _renew_token(self, key: Key) -> None:
        """Put the piece back and get a fresh token before anything else goes out."""
        claim = key.claim
        self._put_back(key)
        if claim.renewing:
            return
        claim.renewing = True
        packages, upload = self._effects.packages, claim.upload
        self._give(Key(claim=claim, step=Step.RENEW_TOKEN), lambda: packages.renew_token(upload))

    def _put_back(self, key: Key) -> None:
        """Let a file be read from its row again once nothing of it is out."""
        if key.in_hand is not None:
            key.in_hand.stopped = True

    def _await_session(self, claim: Claim) -> None:
        login = self._effects.login
        login.refused()
        pause_s = login.pause_s() or 1.0
        claim.retry_at = self._store.now() + pause_s
        claim.error = "the cloud refuses the API key"
        claim.ending = True
        self._let_go_when_still(claim)

    def _source_differs(self, key: Key, error: MasvWatchError) -> None:
        claim = key.claim
        if key.in_hand is not None:
            key.in_hand.stopped = True
            self._store.note_source_changed(key.in_hand.file, claim.upload.fence, str(error))
            log.info(
                "a source changed; it waits until it is quiet again",
                extra={"upload": claim.upload.id, "reason": str(error)},
            )
        else:
            self._end(claim, retry_at=self._store.now() + RELOOK_S)
        self._source_changed(claim.upload.hot_folder)

    def _slow_down(self, error: MasvWatchError) -> None:
        wait_s = error.facts.get("retry_after_s")
        if isinstance(error, CloudThrottled) and isinstance(wait_s, int | float):
            self._slow_until = max(self._slow_until, self._store.now() + float(wait_s))

    def _retry(self, key: Key, error: MasvWatchError) -> None:
        claim, in_hand = key.claim, key.in_hand
        attempts = 1 + (claim.upload.attempts if in_hand is None else in_hand.file.attempts)
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
