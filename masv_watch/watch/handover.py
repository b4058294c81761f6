"""What a verdict does to the ledger: hold a drop, take it, hand on what settled of it, end it.

Owns the way of one hot folder's drops from a verdict to the front desk. Never looks at a disk and
never judges; intake does both. Built by intake, used on its thread only.

Law 1. A drop is taken in the transaction that makes its upload; from there on its terms are frozen.
Law 2. Whole comes only from a quiet tree; what arrives before that joins, and finalizes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from masv_watch import files
from masv_watch.errors import IllegalTransition, SourceError, SourceForbidden, SourceVanished
from masv_watch.lifecycle import OPEN, is_arriving
from masv_watch.loops import Clock
from masv_watch.model import (
    Arrived,
    Disposal,
    Drop,
    DropDraft,
    DropEvent,
    DropState,
    HoldReason,
    Rule,
)
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.uploads import Uploads
from masv_watch.watch.addresses import addresses_of
from masv_watch.watch.arrivals import Look
from masv_watch.watch.decision import Outcome
from masv_watch.watch.drafts import arriving_draft, draft_of, drop_draft
from masv_watch.watch.gathering import gather
from masv_watch.watch.generations import PASSING
from masv_watch.watch.notices import tell_urged
from masv_watch.watch.scan import Tree
from masv_watch.watch.settle import Seen

log = logging.getLogger(__name__)

_VANISHED = "vanished while it was sent"
_LEFT_OUT = "its rule leaves it out by now"
#: holds that the ledger keeps: those that end by themselves, and the question to a person
_KEPT_HOLDS = PASSING | {HoldReason.REDROP_ASK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """How a drop goes, beside what its rule says of every one."""

    #: what counts for it alone; None: what the rule says
    rule: Rule | None = None
    #: it holds only what was not delivered before with the same folder
    is_late: bool = False
    #: paths of files that stand there as they were delivered before
    delivered: frozenset[bytes] = frozenset()
    #: uploads whose packages go once it is delivered
    replaces: Sequence[str] = ()
    #: the upload whose package has its content already
    relinks: str | None = None
    #: what it goes without, one clause each
    remarks: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a drop ends of which nothing is to be sent."""

    note: str
    event: DropEvent = DropEvent.IGNORE
    #: what its source is owed
    disposal: Disposal | None = None
    #: wall clock, seconds: what it was too old by, where that is the reason
    judged_at: float | None = None


class Handover:
    """The consequences of verdicts for one rule."""

    def __init__(self, rule: Rule, *, store: Store, uploads: Uploads, clock: Clock) -> None:
        """Work on these."""
        self._rule = rule
        self._store = store
        self._uploads = uploads
        self._clock = clock

    def adopt(self, rule: Rule) -> None:
        """Take over a rule that says the same of what is watched."""
        self._rule = rule

    def hold(self, drop: Drop, reason: HoldReason | None, note: str, *, asked: str = "") -> None:
        """Hold a drop for a reason, unless it is held for the very same."""
        if reason is None or (drop.hold, drop.note, drop.asked) == (reason, note, asked):
            return
        moved: Drop | None = drop
        if drop.state is DropState.HELD:
            moved = self._move(drop, DropEvent.RELEASE)
        if moved is not None:
            self._move(drop, DropEvent.BLOCK, hold=reason, note=note, asked=asked)

    def _move(self, drop: Drop, event: DropEvent, **more: Any) -> Drop | None:
        """Move a drop as a look at it says, unless a person was faster: what he said counts."""
        try:
            return self._store.advance_drop(drop.id, event, by_look=True, **more)
        except IllegalTransition as error:
            log.info("a drop was not moved", extra={"drop": drop.id, "reason": str(error)})
            return None

    def wait(self, drop: Drop, outcome: Outcome, awaits: str, *, before: str) -> None:
        """Have a drop's row say why it does not go, where that is worth a row.

        `awaits` is for which other drop it waits, "" for none; `before` what was said of that last.
        """
        is_written = outcome.hold is HoldReason.OPEN_BY_WRITER
        if outcome.hold in _KEPT_HOLDS and not (is_written and drop.hold is HoldReason.REDROP_ASK):
            self.hold(drop, outcome.hold, outcome.note, asked=outcome.asked)
        elif drop.hold is HoldReason.REDROP_ASK:
            # it stays asked while it changes: a day that passes is no answer
            return
        elif drop.hold is not None:
            self._move(drop, DropEvent.RELEASE)
        elif drop.note != awaits and (awaits or drop.note == before):
            self._store.note_awaited(drop.id, awaits)

    def take(self, tree: Tree, seen: Seen, drop: Drop, going: Going) -> bool:
        """Hand a quiet drop to the front desk; say whether the ledger holds it from here on.

        Raises:
            SourceVanished: a file is gone that the cloud has already.
        """
        if drop.state is not DropState.TAKEN and self._is_paused():
            self.hold(drop, HoldReason.PAUSED, "the hot folder is paused")
            if not self._is_paused():
                # resumed meanwhile: that released what was held before this hold
                self._store.release(self._rule.name, HoldReason.PAUSED)
            return False
        draft = drop_draft(drop.id, tree, seen, remarks=going.remarks)
        draft = replace(draft, is_late=going.is_late, delivered=going.delivered)
        try:
            if drop.state is DropState.TAKEN:
                self._store.settle_again(draft)
            else:
                self._create(tree, drop, draft, going)
        except IllegalTransition as error:
            # a person or another thread was faster; the next sweep sees what became of it
            log.info("a drop was not taken", extra={"drop": drop.id, "reason": str(error)})
            return False
        return True

    def end(self, drop: Drop, seen: Seen, ending: Ending) -> None:
        """End a drop of which nothing is to be sent."""
        self._store.conclude_drop(
            drop.id,
            ending.event,
            signature=seen.signature,
            size=seen.size,
            files=seen.files,
            note=ending.note,
            disposal=ending.disposal,
            judged_at=ending.judged_at,
        )

    def urge(self, top: bytes) -> None:
        """Let a drop go at once whose marker says so, whatever its window is."""
        drop = self._store.latest_drop(self._rule.name, top)
        taken = drop is not None and drop.state is DropState.TAKEN and drop.upload_id
        upload = self._store.upload(taken) if taken else None
        if upload is None or upload.is_started or upload.state not in OPEN:
            return
        self._store.start_upload(upload.id)
        tell_urged(self._rule, top, upload.id)

    def hand_on(self, tree: Tree, drop: Drop, look: Look) -> bool:
        """Give the front desk what settled of a drop that arrives; say whether it has it now.

        The first settled file takes the drop; a paused hot folder begins nothing.
        """
        try:
            if drop.state is DropState.TAKEN:
                self._note(tree, drop, look)
            elif not look.settled or self._is_paused():
                return False
            else:
                self._create(tree, drop, arriving_draft(drop.id, tree, look.settled), Going())
        except IllegalTransition as error:
            log.info("files did not join", extra={"drop": drop.id, "reason": str(error)})
            return False
        return True

    def _note(self, tree: Tree, drop: Drop, look: Look) -> None:
        if look.settled or look.changed or look.gone:
            self._store.note_arrived(
                Arrived(
                    drop_id=drop.id,
                    settled=gather(tree.top, look.settled),
                    changed=look.changed,
                    gone=look.gone,
                )
            )

    def _create(self, tree: Tree, drop: Drop, draft: DropDraft, going: Going) -> None:
        if drop.state is DropState.HELD:
            self._store.advance_drop(drop.id, DropEvent.RELEASE, by_look=True)
        earlier = self._store.delivered_before(self._rule.name, tree.top)
        local = self._clock.local(self._clock.wall())
        wanted = draft_of(
            going.rule or self._rule,
            tree,
            draft,
            local=local,
            earlier=earlier,
            replaces=going.replaces,
        )
        self._uploads.create(replace(wanted, relinks=going.relinks))

    def _is_paused(self) -> bool:
        return self._rule.name in self._store.paused_folders()

    def let_go(self, drop: Drop) -> None:
        """End a drop that is gone and not taken; one that was delivered before stays delivered.

        What a person holds stays held: whatever comes under its name is what he said it of.
        """
        if drop.hold is HoldReason.OPERATOR:
            return
        upload = self._store.upload(drop.upload_id) if drop.upload_id else None
        if upload is not None and upload.finalized_at is not None:
            event, note = DropEvent.FINISH, "delivered; gone before it was sent once more"
        elif self._leads_on(drop.path) and drop.hold is HoldReason.UNREADABLE:
            note = "it is gone, or a folder that can be read now: its files are drops of their own"
            event = DropEvent.CANCEL
        else:
            event, note = DropEvent.CANCEL, "it vanished before it was sent"
        self._move(drop, event, note=note)

    def _leads_on(self, path: bytes) -> bool:
        """Say whether a folder of this path is none that is sent, but one in which drops lie."""
        return self._rule.is_deep or path in addresses_of(self._rule)

    def miss(
        self,
        drop: Drop,
        new_path: Callable[[Drop], bytes | None],
        *,
        there: files.Observation | None,
    ) -> None:
        """Draw the consequence of a taken drop that is gone and never became whole again.

        `new_path` gives where all of it stands now and goes as another drop. Where something is
        `there` all the same, it is none by its rule any more.
        """
        if self.is_elsewhere(drop):
            return
        # nobody was told of it and the cloud has nothing of it: as if it had not been taken
        if is_arriving(drop) and self._store.abandon(
            drop.id, "it vanished before it was sent", only_unsent=True
        ):
            return
        is_left_out = there is not None and there.kind != "unreadable"
        if self._goes_without(drop, new_path, _LEFT_OUT if is_left_out else _VANISHED):
            return
        if is_left_out:
            self._fail_left_out(drop)
            return
        self.fail(
            drop,
            SourceVanished(
                f"{shown(drop.path)} {_VANISHED}",
                hint=self._way_on(drop),
            ),
        )

    def _way_on(self, drop: Drop) -> str:
        """Say what helps a drop that is gone and is all that its upload holds."""
        return (
            f"if it was renamed it goes under its new name, and masv-watch cancel {drop.id} ends it"
            f" here; else put it back, then masv-watch resume {drop.upload_id}"
        )

    def _fail_left_out(self, drop: Drop) -> None:
        error = SourceForbidden(
            f"{shown(drop.path)} is still there, but {_LEFT_OUT}",
            hint=(
                "masv-watch explain says what leaves it out: change that in the rule and reload, or"
                f" in the file, then masv-watch resume {drop.upload_id}; or masv-watch cancel"
                f" {drop.id} ends it here"
            ),
        )
        if self._stop(drop, error):
            log.error(
                "an upload failed: its rule leaves a source out by now",
                extra=_told(drop, error),
            )

    def _goes_without(
        self, drop: Drop, new_path: Callable[[Drop], bytes | None], note: str
    ) -> bool:
        """Let the rest of its upload go without a drop that vanished, if there is a rest.

        One that goes on under another path leaves even an upload of its own.
        """
        upload = self._store.upload(drop.upload_id) if drop.upload_id else None
        if upload is None or upload.state not in OPEN:
            return False
        path = new_path(drop)
        if path is not None:
            note = f"renamed to {shown(path)} while it was sent"
        if not self._store.drop_vanished(drop.id, note, is_renamed=path is not None):
            return False
        told = {"upload": upload.id, "drop": shown(drop.path)}
        if path is not None:
            log.info(
                "a drop was renamed while it was sent, and goes under its new name",
                extra={**told, "entry": shown(path)},
            )
        elif note == _LEFT_OUT:
            log.warning(
                "a drop is left out by its rule by now; the rest goes",
                extra={**told, "cure": "undo that in the rule, and it goes as a drop of its own"},
            )
        else:
            log.warning(
                "a drop vanished while it was sent; the rest goes",
                extra={**told, "cure": "put it back, and it goes as a drop of its own"},
            )
        return True

    def fail(self, drop: Drop, error: SourceVanished) -> None:
        """Stop the upload of a drop that cannot be sent as it was begun."""
        if self._stop(drop, error):
            log.error(
                "an upload failed: a source vanished while it was sent",
                extra=_told(drop, error),
            )

    def _stop(self, drop: Drop, error: SourceError) -> bool:
        upload = self._store.upload(drop.upload_id) if drop.upload_id else None
        if upload is None or upload.state not in OPEN or self.is_elsewhere(drop):
            return False
        self._store.fail_vanished(upload.id, code=error.code, error=str(error))
        return True

    def is_elsewhere(self, drop: Drop) -> bool:
        """Say whether a drop came from another path than the rule has now."""
        upload = self._store.upload(drop.upload_id) if drop.upload_id else None
        return upload is not None and upload.root != self._rule.path


def _told(drop: Drop, error: SourceError) -> dict[str, object]:
    return {
        "upload": drop.upload_id,
        "drop": shown(drop.path),
        "code": error.code,
        "reason": error.message,
        "cure": error.hint,
    }
