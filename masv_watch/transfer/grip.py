"""What the sender holds: its claims, and the way of a piece to the crew and of a claim to its end.

Owns the set of claims in hand and the counts of what is out. Never decides what goes out or what a
failure means. Used by `transfer.sender` and `transfer.failures`, on the sender's thread only.
"""

from __future__ import annotations

from collections.abc import Callable

from masv_watch.model import UploadState
from masv_watch.store.contract import Store
from masv_watch.transfer.claims import Claim, FileInHand, Key, Step
from masv_watch.transfer.crew import Crew, Lane
from masv_watch.transfer.meter import Meter


def lane_of(step: Step) -> Lane:
    """Say who works on a step: only chunks wait for bytes to leave."""
    return Lane.LARGE if step is Step.SEND_CHUNK else Lane.SMALL


def put_back(key: Key) -> None:
    """Let what nobody began of a piece be handed out again."""
    put_back_batch(key)
    if key.step is Step.RENEW_TOKEN:
        key.claim.renewing = False
    in_hand = key.in_hand
    if key.span is not None and in_hand is not None and in_hand.to_send is not None:
        in_hand.to_send = sorted([*in_hand.to_send, key.span], key=lambda span: span.number)


def put_back_batch(key: Key) -> None:
    """Let the small files of a piece that went not be handed out again, in their order."""
    key.claim.waiting.extendleft(reversed(key.batch))
    key.batch.clear()


class Grip:
    """The claims in hand over one store and one crew."""

    def __init__(self, store: Store, crew: Crew[Key], meter: Meter) -> None:
        """Begin with nothing in hand."""
        self._store = store
        self.crew = crew
        self.meter = meter
        self.claims: dict[str, Claim] = {}

    def holds(self, claim: Claim) -> bool:
        """Say whether a claim is still in hand, and not one that came after it."""
        return self.claims.get(claim.upload.id) is claim

    def give(self, key: Key, piece: Callable[[], None]) -> None:
        """Hand a piece to the crew, in the lane of its step."""
        key.claim.out += 1
        if key.span is not None:
            key.claim.chunks_out += 1
        key.claim.ships_out += key.step is Step.SHIP_FILE
        if key.in_hand is not None:
            key.in_hand.out += 1
        self.crew.hand_in(lane_of(key.step), key, piece)

    def give_file(
        self,
        claim: Claim,
        in_hand: FileInHand,
        step: Step,
        effect: Callable[[Claim, FileInHand], None],
    ) -> None:
        """Hand a piece about one file to the crew."""
        key = Key(claim=claim, step=step, in_hand=in_hand)
        self.give(key, lambda: effect(claim, in_hand))

    def take_in(self, key: Key) -> None:
        """Count a piece as back, whatever became of it."""
        key.claim.out -= 1
        if key.span is not None:
            key.claim.chunks_out -= 1
        key.claim.ships_out -= key.step is Step.SHIP_FILE
        if key.in_hand is not None and key.step is not Step.SHIP_FILE:
            key.in_hand.out -= 1

    def take_back(self) -> None:
        """Take what no worker has begun: it is still to be done, in its order."""
        for key in self.crew.take_back():
            self.take_in(key)
            put_back(key)

    def release_stopped(self, key: Key) -> None:
        """Forget a file of which nothing more goes out once nothing of it is out."""
        in_hand = key.in_hand
        if in_hand is not None and in_hand.stopped and in_hand.out == 0:
            key.claim.forget(in_hand)

    def end(
        self, claim: Claim, *, retry_at: float = 0.0, error: str = "", code: int | None = None
    ) -> None:
        """Let a claim go once nothing of it is out; it is not claimed again before `retry_at`."""
        claim.retry_at, claim.error, claim.ending = retry_at, error, True
        claim.error_code = code
        self.let_go_when_still(claim)

    def let_go_when_still(self, claim: Claim) -> None:
        """End a claim's lease if nothing of it is out."""
        if claim.out:
            return
        upload, waits = claim.upload, not self._is_asked_for(claim)
        with self.meter.owed(upload.id) as toll:
            self._store.let_go(
                upload.id,
                upload.fence,
                retry_at=claim.retry_at if waits else 0.0,
                attempts=claim.attempts if waits else 0,
                error=claim.error if waits else "",
                code=claim.error_code if waits else None,
                toll=toll,
            )
        self.claims.pop(claim.upload.id, None)

    def _is_asked_for(self, claim: Claim) -> bool:
        """Say whether a person deleted or started it meanwhile, and so wants no earlier wait."""
        row = self._store.upload(claim.upload.id)
        if row is None:
            return False
        is_deleted = row.state is UploadState.DELETING and not claim.is_deletion
        return is_deleted or (row.is_started and not claim.upload.is_started)

    def drop(self, claim: Claim) -> None:
        """Forget a claim that is not ours any more; what is out gives up at its next block."""
        claim.abort.set()
        self.claims.pop(claim.upload.id, None)
