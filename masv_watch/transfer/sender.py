"""The loop that turns claimed uploads into complete packages.

Owns which uploads are in hand and what goes out next. Never sends bytes itself: pieces go to the
crew, outcomes come back, `transfer.failures` judges the bad ones, rows say the rest. Built by
`departure`; wakes whenever something moved, and every second while time can move something.

Law 1. Only this thread decides; workers do one piece each and answer.
Law 2. What waits has a row with a time; nothing is forgotten by a restart.
Law 3. A lost fence drops the work and touches nothing.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from masv_watch import recall
from masv_watch.errors import (
    CloudUnreachable,
    FenceLost,
    IllegalTransition,
    MasvWatchError,
    StoreError,
)
from masv_watch.login import Login
from masv_watch.loops import Clock
from masv_watch.metrics import Metrics
from masv_watch.model import NO_TURNS, Partial, Sizes, SourceFile, Transfer, Turns, UploadState
from masv_watch.store.contract import Store
from masv_watch.transfer.chunks import is_cut_too_small
from masv_watch.transfer.claims import SMALL, Claim, FileInHand, Key, Step, guests, is_shut, share
from masv_watch.transfer.crew import Crew, Lane, Outcome
from masv_watch.transfer.failures import RELOOK_S, Failures
from masv_watch.transfer.grip import Grip, put_back_batch
from masv_watch.transfer.meter import Meter
from masv_watch.transfer.packages import Packages
from masv_watch.transfer.schedule import Holder, yielders
from masv_watch.transfer.sending import Sending
from masv_watch.transfer.settling import Settling
from masv_watch.transfer.tuner import Tuner

log = logging.getLogger(__name__)

#: seconds of a lease, and how often it is prolonged
LEASE_S = 30.0
RENEW_S = 10.0
#: seconds: an upload that waits longer than this gives its place to another
PATIENCE_S = 5.0
#: seconds after which a row is read again though nobody told that it moved
LOOK_S = 0.25
#: small files that one worker takes at once, where there are plenty
MOST_AT_ONCE = 8
#: seconds between two log lines about a store that takes nothing
QUIET_S = 10.0
_BRIEFLY_S = 0.1
#: seconds between two looks at the delivery of the package that is to serve another upload
AWAITED_S = 15.0
#: seconds that a chunk on its way gets to end when its window closes (pain 44)
CLOSING_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What the sender has done by others."""

    packages: Packages
    sending: Sending
    settling: Settling
    crew: Crew[Key]
    tuner: Tuner
    meter: Meter
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
        turns: Callable[[], Turns] = lambda: NO_TURNS,
    ) -> None:
        """Begin with nothing in hand; `source_changed` is told which hot folder to look at."""
        self._turns = turns
        self._store = store
        self._effects = effects
        self._transfer = transfer
        self._clock = clock
        self._metrics = metrics
        self._grip = Grip(store, effects.crew, effects.meter)
        self._failures = Failures(
            store,
            self._grip,
            effects.packages,
            login=effects.login,
            source_changed=source_changed,
            metrics=metrics,
            luck=luck,
        )
        #: connections beside the tuned number, for guests
        self.extra = 0
        self._quiet_until = 0.0
        self._stopping = False
        self._turn = 0
        #: whether a row may have moved since the last tick
        self._moved = True
        self._claimed_at = 0.0
        self._claims_due = True
        store.listen(self._note_move)

    def _note_move(self) -> None:
        self._moved = True

    def tick(self) -> float:
        """Take outcomes, claim what is due and hand out pieces; give the seconds to the next."""
        outcomes = self._grip.crew.take_outcomes()
        for claim in self._grip.claims.values():
            claim.put_down_shipped()
        for outcome in outcomes:
            self._weigh(outcome)
        if self._stopping:
            self._grip.take_back()
        self._mark_stale(is_idle=not outcomes)
        self._welcome()
        # leases are prolonged before anything is claimed: one that ran out while this machine slept
        # would be claimed again by ourselves
        for claim in self._in_turn():
            self._attend(claim)
        if not self._stopping:
            for claim in self._take_up():
                self._attend(claim)
        self._failures.tick()
        self._grip.meter.keep(self._grip.claims)
        self._metrics.gauge("uploads_in_hand", len(self._grip.claims))
        self._effects.tuner.tick(is_full=self._grip.crew.is_full(Lane.LARGE))
        self._metrics.gauge("connections", self._effects.tuner.connections())
        return self._pause_s()

    def _welcome(self) -> None:
        """Let guests have a connection at once, before all that waits for one."""
        claims = self._grip.claims.values()
        self.extra = guests(claims, connections=self._effects.tuner.connections())
        if self.extra and any(claim.sends_chunks and not claim.chunks_out for claim in claims):
            self._grip.take_back()

    def _pause_s(self) -> float:
        # of a claim that has nothing out, no outcome will ring the bell
        still = [claim.rest_until for claim in self._grip.claims.values() if claim.out == 0]
        return min(max(min(still) - self._store.now(), _BRIEFLY_S), 1.0) if still else 1.0

    @property
    def is_at_rest(self) -> bool:
        """Say whether nothing is in hand."""
        return not self._grip.claims

    def stop(self) -> None:
        """Hand out nothing more; pieces that are out may end."""
        self._stopping = True

    def abort(self) -> None:
        """Let the pieces that are out give up at their next block; any thread may ask."""
        for claim in list(self._grip.claims.values()):
            claim.abort.set()

    @property
    def slow_until(self) -> float:
        """Give the store time, in seconds, until which nothing is sent because the cloud asked."""
        return self._failures.slow_until

    def unreached(self) -> str:
        """Say why nothing has got through for long, "" while something does; any thread may ask."""
        return self._failures.unreached()

    def forget_slowness(self) -> None:
        """Go on at once: a person looked into what slowed us."""
        self._failures.slow_until = 0.0

    @property
    def is_still(self) -> bool:
        """Say whether nothing is out any more."""
        return self._grip.crew.busy == 0

    def _in_turn(self) -> list[Claim]:
        """List the claims by priority, among equals each tick with another one first.

        A large one starves nobody.
        """
        claims = list(self._grip.claims.values())
        self._turn = (self._turn + 1) % max(len(claims), 1)
        turned = claims[self._turn :] + claims[: self._turn]
        return sorted(turned, key=lambda claim: -claim.upload.priority)

    def _mark_stale(self, *, is_idle: bool) -> None:
        """Have every row read again that may have moved: not at each outcome of a small file."""
        moved, self._moved = self._moved or is_idle, False
        now = self._store.now()
        for claim in self._grip.claims.values():
            claim.is_stale |= moved or not 0.0 <= now - claim.looked_at < LOOK_S
        self._claims_due = moved or not 0.0 <= now - self._claimed_at < LOOK_S

    def _take_up(self) -> list[Claim]:
        """Claim what is due, as far as there is a place for it."""
        if not self._claims_due:
            return []
        self._claimed_at = self._store.now()
        if self._turns().disk_trouble:
            return []
        try:
            self._store.revive_due()
            self._store.finalize_due(self._turns())
            slots = sum(1 for claim in self._grip.claims.values() if claim.takes_slot)
            free = max(self._transfer().active_uploads - slots, 0)
            if not free:
                self._make_room()
            uploads = self._store.claim_uploads(free, LEASE_S, turns=self._turns())
        except StoreError as error:
            self._tell_refusal("the store gave no further upload", error)
            return []
        now = self._store.now()
        new = [Claim(upload=upload, renewed_at=now) for upload in uploads]
        self._grip.claims.update({claim.upload.id: claim for claim in new})
        return new

    def _make_room(self) -> None:
        """Let uploads yield to ones of higher priority that wait, once their chunks are sent."""
        active = [claim for claim in self._grip.claims.values() if claim.takes_slot]
        holders = [
            Holder(
                upload_id=claim.upload.id,
                priority=claim.upload.priority,
                created_at=claim.upload.created_at,
            )
            for claim in active
            if not claim.ending and claim.upload.state is UploadState.TRANSFERRING
        ]
        # places that are being vacated go to the first in line
        leaving = sum(1 for claim in active if claim.ending)
        waiting = self._store.in_line(len(active), self._turns())[leaving:] if holders else []
        for upload_id in yielders(holders, waiting):
            claim = self._grip.claims[upload_id]
            claim.halt.set()
            self._grip.end(claim)

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
            if not claim.goes_on:
                # a pause or a deletion waits for no chunk: it is sent anew, or never
                claim.abort.set()
                claim.ending = True
            if is_shut(claim, self._turns()):
                self._shut(claim)
            if claim.ending or self._stopping:
                claim.ending = True
                self._grip.let_go_when_still(claim)
            elif not claim.renewing and self._store.now() >= self._rests_until(claim):
                self._hand_out(claim)
        except FenceLost:
            self._grip.drop(claim)
        except StoreError as error:
            # the rows stand as they are; the next tick tries again
            self._tell_refusal("the store did not take a step", error)

    def _shut(self, claim: Claim) -> None:
        """Let a claim whose window closed go once what is on its way has ended, or has not."""
        now = self._clock.monotonic()
        if claim.shut_at is None:
            claim.shut_at = now
            claim.halt.set()
            self._grip.take_back()
        elif now - claim.shut_at >= CLOSING_S:
            claim.abort.set()
        claim.ending = True

    def _rests_until(self, claim: Claim) -> float:
        own = claim.rest_until if claim.out == 0 else 0.0
        # a person who deletes waits for no other upload's bucket
        is_deletion = claim.upload.state is UploadState.DELETING
        return own if is_deletion else max(self._failures.slow_until, own)

    def _renew(self, claim: Claim) -> None:
        if not claim.is_stale:
            return
        now = claim.looked_at = self._store.now()
        claim.is_stale = False
        claim.exhausted.clear()
        row = self._store.upload(claim.upload.id)
        if row is None or row.fence != claim.upload.fence:
            raise FenceLost(f"upload {claim.upload.id} has a newer claim")
        claim.upload = row
        if now - claim.renewed_at >= RENEW_S:
            with self._grip.meter.owed(row.id) as toll:
                claim.upload = self._store.renew(row.id, row.fence, LEASE_S, toll=toll)
            claim.renewed_at = now

    def _hand_out(self, claim: Claim) -> None:
        upload, packages = claim.upload, self._effects.packages
        claim.halt.clear()
        if claim.is_alone and claim.out:
            # what a step of the whole does to the rows is followed once its end is known
            return
        claim.is_alone = False
        if upload.state is UploadState.DELETING:
            self._hand_out_alone(claim, Step.DELETE, partial(packages.delete, upload))
        elif upload.state is UploadState.FINALIZING:
            self._hand_out_alone(claim, Step.FINALIZE, partial(packages.finalize, upload))
        elif (window := recall.window(upload)) is not None and window.is_open(self._store.now()):
            # served by an earlier package, it is told of without a finalize that could wait
            self._grip.end(claim, retry_at=window.until)
        elif upload.package_id is None and packages.awaits(upload):
            error = f"upload {upload.relinks} has its content, and is delivered first"
            self._grip.end(claim, retry_at=self._store.now() + AWAITED_S, error=error)
        elif upload.package_id is None:
            self._hand_out_alone(claim, Step.OPEN_PACKAGE, partial(packages.open, upload))
        else:
            self._hand_out_files(claim)

    def _hand_out_alone(self, claim: Claim, step: Step, piece: Callable[[], None]) -> None:
        if claim.out == 0:
            claim.is_alone = True
            key = Key(claim=claim, step=step, refusals=claim.upload.refusals)
            self._grip.give(key, piece)

    def _hand_out_files(self, claim: Claim) -> None:
        if not claim.files:
            claim.exhausted.clear()
        self._fill(claim, Lane.SMALL, Sizes(most=SMALL))
        self._fill(claim, Lane.LARGE, Sizes(least=SMALL + 1))
        self._hand_out_small(claim)
        for in_hand in list(claim.large.values()):
            self._hand_out_file(claim, in_hand)
        if not claim.files and claim.out == 0:
            self._conclude(claim)

    def _hand_out_small(self, claim: Claim) -> None:
        """Hand out small files: one to each worker while there are few, more at once else.

        Each claim has a piece out, however many others have.
        """
        crew, sending = self._grip.crew, self._effects.sending
        most = sending.workers(claim, 2 * crew.size(Lane.SMALL))
        out = sum(each.ships_out for each in self._grip.claims.values())
        room = max(sending.worth_handing_out() - out, not claim.ships_out)
        while claim.waiting and room and crew.room(Lane.SMALL) and claim.ships_out < most:
            room -= 1
            count = max(1, min(MOST_AT_ONCE, len(claim.waiting) // crew.size(Lane.SMALL)))
            batch = deque(claim.waiting.popleft() for _ in range(count))
            key = Key(claim=claim, step=Step.SHIP_FILE, batch=batch)
            self._grip.give(key, partial(sending.ship_each, key))

    def _fill(self, claim: Claim, lane: Lane, sizes: Sizes) -> None:
        """Take more files in hand, storing the intent to add them in one transaction."""
        size = self._grip.crew.size(lane)
        held = len(claim.large) if lane is Lane.LARGE else len(claim.files) - len(claim.large)
        most = MOST_AT_ONCE * size if lane is Lane.SMALL else 2 * size
        room = most - held
        if room <= most // 4 or lane in claim.exhausted:
            return
        rows = self._store.next_files(claim.upload.id, room + held, sizes=sizes)
        due = [row for row in rows if row.id not in claim.files][:room]
        if len(due) < room:
            claim.exhausted.add(lane)
        new = [self._cut_sanely(claim, row) for row in due]
        to_open = [row.id for row in new if row.cloud_id is None and not row.open_asked]
        if to_open:
            self._store.note_files_asked(claim.upload.id, claim.upload.fence, to_open)
        for row in new:
            claim.take(self._take_in_hand(row))

    def _cut_sanely(self, claim: Claim, row: SourceFile) -> SourceFile:
        """Give a file as it is, or begun anew when it was cut into more than may be sent."""
        if row.chunk_size is None or not is_cut_too_small(row.identity.size, row.chunk_size):
            return row
        self._store.note_file_lost(row, claim.upload.fence)
        return self._store.file(row.id) or row

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
        if in_hand.to_send:
            self._hand_out_chunks(claim, in_hand)
        elif in_hand.out == 0 and self._grip.crew.room(Lane.SMALL):
            if in_hand.to_send is None:
                self._grip.give_file(claim, in_hand, Step.OPEN_FILE, sending.open)
            else:
                self._grip.give_file(claim, in_hand, Step.CLOSE_FILE, sending.close)

    def _hand_out_chunks(self, claim: Claim, in_hand: FileInHand) -> None:
        sending, crew = self._effects.sending, self._grip.crew
        now, claims = self._store.now(), self._grip.claims.values()
        fair = 1 if self.extra else share(claim, claims, workers=crew.size(Lane.LARGE), now=now)
        while in_hand.to_send and crew.room(Lane.LARGE) and claim.chunks_out < fair:
            span = in_hand.to_send.pop(0)
            key = Key(claim=claim, step=Step.SEND_CHUNK, in_hand=in_hand, span=span)
            self._grip.give(key, partial(sending.send, claim, in_hand, span))

    def _conclude(self, claim: Claim) -> None:
        """Decide what follows when nothing can be sent now; what is finalized at once is kept."""
        upload = claim.upload
        if self._store.files_to_settle(upload.id, 1):
            look_again = partial(self._effects.settling.look_again, claim)
            self._hand_out_alone(claim, Step.LOOK_AGAIN, look_again)
            return
        next_at = self._store.next_retry(upload.id)
        if next_at is not None:
            now = self._store.now()
            # looked at every second all the same: a reload or a source may end the wait
            claim.rest_until = min(next_at, now + 1.0)
            if upload.id in self._store.unsettled():
                # a source may be written on for hours: meanwhile others have its place
                self._grip.end(claim, retry_at=next_at)
            elif next_at - now > PATIENCE_S:
                told = (file.error for file in self._store.files(upload.id) if not file.closed)
                self._grip.end(claim, retry_at=next_at, error=next(filter(None, told), ""))
            return
        if upload.terms.partial is Partial.SEND_REST:
            self._failures.leave_out_refused(claim)
            if claim.ending:
                return
        if not self._store.advance_all_sent(upload.id, upload.fence):
            self._grip.end(claim, retry_at=self._store.now() + RELOOK_S)
        elif upload.id not in self._store.finalize_due(self._turns()):
            self._grip.end(claim)

    def _weigh(self, outcome: Outcome[Key]) -> None:
        """Draw the consequence of one outcome."""
        key = outcome.key
        self._grip.take_in(key)
        put_back_batch(key)
        error = outcome.error
        if outcome.crashed:
            error = CloudUnreachable("a worker crashed; the log has the traceback")
        if not self._grip.holds(key.claim):
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
                self._failures.note_success(key)
                self._done(key)
            else:
                self._failures.weigh(key, error)
        except FenceLost:
            self._failures.lose(key)
            self._grip.release_stopped(key)

    def _done(self, key: Key) -> None:
        key.claim.is_token_fresh = key.step is Step.RENEW_TOKEN
        key.claim.is_stale |= key.in_hand is None and key.step is not Step.SHIP_FILE
        if key.step is Step.CLOSE_FILE and key.in_hand is not None:
            key.claim.put_down(key.in_hand)
        elif key.step is Step.RENEW_TOKEN:
            key.claim.renewing = False
        elif key.step is Step.FINALIZE:
            self._grip.end(key.claim)
        elif key.step is Step.DELETE:
            self._grip.drop(key.claim)
        self._grip.release_stopped(key)
