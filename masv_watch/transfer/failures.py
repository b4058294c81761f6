"""What a failed piece means: for its file, for its upload, for all calls.

Owns the consequences of each error and the one retry of this room. Never hands out new work but a
fresh token. Used by `transfer.sender`, on its thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from masv_watch.errors import (
    CloudError,
    CloudRefused,
    CloudThrottled,
    CloudUnpaid,
    FenceLost,
    MasvWatchError,
    NetworkDown,
    NoSession,
    PackageGone,
    Remedy,
    SourceChanged,
    SourceUnreadable,
    SourceVanished,
    TokenExpired,
)
from masv_watch.login import Login
from masv_watch.metrics import Metrics
from masv_watch.model import Partial, Upload, UploadEvent, UploadState
from masv_watch.names import shown
from masv_watch.retry import Next, decide, is_given_up, revival
from masv_watch.store.contract import Store
from masv_watch.transfer.claims import Claim, FileInHand, Key, Step
from masv_watch.transfer.dues import Dues
from masv_watch.transfer.grip import Grip
from masv_watch.transfer.packages import MAY_BE_DELIVERED, Packages, way_on_in_doubt
from masv_watch.transfer.silence import Silence

log = logging.getLogger(__name__)

#: seconds between two looks at an upload that waits for its drop to settle again
RELOOK_S = 2.0

#: seconds: a longer pause that the cloud asks for is taken as a slip of it or of a proxy
MOST_SLOW_S = 300.0

_GONE_CURE = "nothing is made again by itself: drop the files once more under another name"


class Failures:
    """The consequences of failed pieces over one grip."""

    def __init__(
        self,
        store: Store,
        grip: Grip,
        packages: Packages,
        *,
        login: Login,
        source_changed: Callable[[str | None], None],
        metrics: Metrics,
        luck: Callable[[], float],
    ) -> None:
        """Begin calm; `source_changed` is told which hot folder to look at."""
        self._store = store
        self._grip = grip
        self._packages = packages
        self._login = login
        self._source_changed = source_changed
        self._metrics = metrics
        self._luck = luck
        #: store clock, seconds: nothing is handed out before, because the cloud asked for it
        self.slow_until = 0.0
        self._silence = Silence(store)
        self._dues = Dues(store, metrics)

    def tick(self) -> None:
        """Do what is due without a failure."""
        self._dues.tick()

    def weigh(self, key: Key, error: MasvWatchError) -> None:
        """Draw the consequence of one failure.

        Raises: StoreError, IllegalTransition, FenceLost when the row is not as it was in hand.
        """
        claim = key.claim
        if isinstance(error, CloudUnpaid) and "ask_at" in error.facts:
            # the cloud was not asked
            self._await_payment(key, error)
            return
        claim.left_behind.doubt()
        self._metrics.count("failures", step=key.step, code=error.code)
        self._silence.note_failure(claim.upload.id, error, is_network=is_network(error))
        if isinstance(error, FenceLost):
            self.lose(key)
        elif isinstance(error, TokenExpired) and self._may_renew(key):
            self._renew_token(key)
        elif isinstance(error, NoSession):
            self._await_session(claim)
        elif claim.abort.is_set():
            claim.ending = True
        elif key.step is Step.LOOK_AGAIN and isinstance(error, SourceVanished):
            self._fail(claim, error)
        elif isinstance(error, SourceChanged | SourceVanished):
            self._source_differs(key, error)
        elif isinstance(error, PackageGone):
            self._fail(claim, _gone(claim.upload, error))
        elif isinstance(error, CloudUnpaid) and claim.upload.state is not UploadState.DELETING:
            self._await_payment(key, error)
        else:
            if isinstance(error, SourceUnreadable):
                # the whole root may be away, which only its hot folder can tell
                self._source_changed(claim.upload.hot_folder)
            self._slow_down(error)
            self._retry(key, error)
        self._grip.release_stopped(key)

    def note_success(self, key: Key) -> None:
        """Take it that the cloud is reached; a look at a source says nothing of that."""
        if key.step is not Step.LOOK_AGAIN:
            self._silence.note_reached()
            self._dues.passed(key.claim.upload, key.step)

    def unreached(self) -> str:
        """Say why nothing has got through for so long that a person should look; "" while it does.

        Any thread may ask.
        """
        return self._silence.why()

    def lose(self, key: Key) -> None:
        """Let go of what is not ours any more: a file that began anew, or else the claim."""
        claim = key.claim
        row = self._store.upload(claim.upload.id)
        if row is None or row.fence != claim.upload.fence:
            self._grip.drop(claim)
        elif key.in_hand is not None:
            key.in_hand.stopped = True
        else:
            self._grip.end(claim, retry_at=self._store.now() + RELOOK_S)

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
        renew = partial(self._packages.renew_token, claim.upload)
        self._grip.give(Key(claim=claim, step=Step.RENEW_TOKEN), renew)

    def _await_session(self, claim: Claim) -> None:
        self._login.refused()
        at = self._store.now() + (self._login.pause_s() or 1.0)
        self._grip.end(
            claim, retry_at=at, error=f"the cloud does not believe us: {self._login.cure()}"
        )

    def _await_payment(self, key: Key, error: CloudUnpaid) -> None:
        """Let an upload wait, as all of who pays for it do, until the cloud is asked again."""
        upload, ask_at = key.claim.upload, error.facts.get("ask_at")
        if not isinstance(ask_at, float):
            ask_at = self._dues.refused(upload, key.step, error).ask_at
        self._grip.end(key.claim, retry_at=ask_at, error=error.message, code=error.code)

    def _source_differs(self, key: Key, error: MasvWatchError) -> None:
        claim, in_hand = key.claim, key.in_hand
        if in_hand is None:
            self._grip.end(claim, retry_at=self._store.now() + RELOOK_S)
        elif self._has_begun_anew(in_hand):
            # only the version in hand is over; its row holds the one that settled since
            in_hand.stopped = True
            return
        elif not in_hand.stopped:
            in_hand.stopped = True
            if not in_hand.may_exist:
                # a source is looked at before the cloud is asked for anything of it
                self._store.note_file_unasked(in_hand.file, claim.upload.fence)
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
            asked_s = min(float(wait_s), MOST_SLOW_S)
            self.slow_until = max(self.slow_until, self._store.now() + asked_s)
            # all together: what waits behind a busy worker does not go out either
            for claim in self._grip.claims.values():
                claim.halt.set()
            self._grip.take_back()

    def _retry(self, key: Key, error: MasvWatchError) -> None:
        claim, in_hand = key.claim, key.in_hand
        attempts = 1 + self._attempts(key)
        decision = decide(error, attempts, self._store.now(), self._luck())
        if decision.next is not Next.AGAIN or decision.at is None:
            if not self._goes_without(claim, in_hand, error):
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
        self._grip.meter.retried(claim.upload, key.step, error)
        if is_network(error) and self._is_given_up(claim, error):
            return
        if in_hand is None:
            claim.attempts = attempts
            self._grip.end(claim, retry_at=decision.at, error=str(error))
            return
        if not in_hand.stopped:
            in_hand.stopped = True
            with self._grip.meter.owed(claim.upload.id) as toll:
                self._store.note_file_retry(
                    in_hand.file,
                    claim.upload.fence,
                    attempts=attempts,
                    retry_at=decision.at,
                    error=str(error),
                    toll=toll,
                )

    def _is_given_up(self, claim: Claim, error: MasvWatchError) -> bool:
        """Give an upload up of which nothing got through for too long; say whether that was done.

        One that is being deleted goes on: its package would stay.
        """
        upload = claim.upload
        if upload.state is UploadState.DELETING:
            return False
        after_s = upload.terms.give_up_after_s
        found = self._store.note_outage(upload)
        if not is_given_up(found, after_s):
            return False
        hours = f"{after_s / 3600.0:.3g} h"
        resume = f"masv-watch resume {upload.id}"
        in_doubt = f" {MAY_BE_DELIVERED}:" if upload.finalize_asked else ""
        down = NetworkDown(
            f"network: nothing got through for {hours}:{in_doubt} {error.message}",
            hint=f"look at the way to the cloud, then {resume}: it is not tried by itself any more"
            if revival(found) is None
            else f"look at the way to the cloud; it is tried again every hour for 7 days, at once"
            f" by {resume}, and no more after masv-watch pause {upload.id}",
        )
        again = self._store.give_up(upload, code=down.code, error=str(down))
        log.error(
            "an upload does not get through",
            extra={
                "upload": upload.id,
                "code": down.code,
                "reason": down.message,
                "again_in_s": None if again is None else round(again - self._store.now()),
                "cure": down.hint,
            },
        )
        claim.retry_at, claim.error = again or 0.0, str(down)
        claim.abort.set()
        claim.ending = True
        return True

    def _goes_without(
        self, claim: Claim, in_hand: FileInHand | None, error: MasvWatchError
    ) -> bool:
        """Let the rest of an upload go first where its rule wants it without a refused file."""
        wants_rest = claim.upload.terms.partial is Partial.SEND_REST
        if in_hand is None or not wants_rest or not isinstance(error, CloudRefused):
            return False
        if not in_hand.stopped:
            in_hand.stopped = True
            file = in_hand.file
            self._store.note_file_refused(file, claim.upload.fence, str(error))
            log.warning(
                "the cloud refused a file; the rest of its upload goes on",
                extra={"upload": claim.upload.id, "file": shown(file.path), "reason": str(error)},
            )
        return True

    def leave_out_refused(self, claim: Claim) -> None:
        """Leave out what the cloud refused, or stop an upload of which it refused everything."""
        refusal = self._store.leave_out_refused(claim.upload.id, claim.upload.fence)
        if refusal:
            self._fail(claim, CloudRefused(f"the cloud takes no file of it: {refusal}"))

    def _attempts(self, key: Key) -> int:
        """Count the failures in a row so far: what went through meanwhile began the count anew."""
        upload = key.claim.upload
        if key.step is Step.FINALIZE:
            # between two refused finalizes everything else may go well; the row may count this one
            return max(upload.attempts, key.refusals)
        if key.in_hand is None:
            return upload.attempts
        row = self._store.file(key.in_hand.file.id)
        return 0 if row is None else row.attempts

    def _fail(self, claim: Claim, error: MasvWatchError) -> None:
        """Stop an upload until a person resumes it; one that is being deleted goes all the same."""
        if claim.upload.state is UploadState.DELETING:
            self._leave_package(claim, error)
            return
        resume = f"resume {claim.upload.id}"
        told = str(error).replace("resume ID", resume)
        self._store.advance_claimed(claim.upload, UploadEvent.FAIL, code=error.code, error=told)
        log.error(
            "an upload failed",
            extra={
                "upload": claim.upload.id,
                "code": error.code,
                "reason": error.message,
                "cure": error.hint.replace("resume ID", resume) or f"masv-watch {resume}",
            },
        )
        claim.error = told
        claim.abort.set()
        claim.ending = True

    def _leave_package(self, claim: Claim, error: MasvWatchError) -> None:
        """Forget a deleted upload whose package the cloud does not let go, or has no more."""
        package_id = claim.upload.package_id
        # without one nothing can stay
        if package_id is not None and not isinstance(error, PackageGone):
            self._store.note_stray(
                package_id,
                claim.upload.id,
                f"it was to be deleted and stays in the cloud: {error.message}",
            )
            log.error(
                "a deleted upload's package stays in the cloud",
                extra={
                    "upload": claim.upload.id,
                    "package": package_id,
                    "code": error.code,
                    "reason": error.message,
                    "cure": "delete the package at MASV",
                },
            )
        self._store.note_deleted(claim.upload, was_finalized=False)
        self._grip.drop(claim)


def _gone(upload: Upload, error: PackageGone) -> PackageGone:
    """Say what helps an upload whose package the cloud has no more."""
    if not upload.finalize_asked:
        return PackageGone(error.message, hint=_GONE_CURE, **error.facts)
    # it may have been delivered, and deleted after that
    return PackageGone(
        f"{MAY_BE_DELIVERED}: {error.message}", hint=way_on_in_doubt(upload), **error.facts
    )


def is_network(error: MasvWatchError) -> bool:
    """Say whether a failure is of the network class, of which none is tried for ever."""
    return isinstance(error, CloudError) and error.remedy is Remedy.SOON
