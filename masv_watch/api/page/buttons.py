"""Which buttons stand beside what.

Owns what a person can do about an upload, a drop and a hot folder, how it is called, and what is
asked before. Never does it: `api.page.deeds` does. Used by the views of the page.

Law 1. What nothing takes back is asked first, with what it is about and to whom it goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from masv_watch import lifecycle
from masv_watch.api.page import questions
from masv_watch.api.page.questions import Question, told
from masv_watch.errors import PackageGone
from masv_watch.logs import escaped
from masv_watch.model import (
    Consigned,
    Drop,
    DropEvent,
    DropMode,
    DropState,
    HoldReason,
    Rule,
    UploadEvent,
    UploadState,
    UploadType,
)
from masv_watch.names import shown
from masv_watch.uploads import Batches, FolderView, UploadView, WaitReason, addressees

#: what waits only for its turn or its time, and may go at once
_STARTABLE = {
    WaitReason.QUEUED: "Send now",
    WaitReason.WINDOW_CLOSED: "Send now",
    WaitReason.DIGEST: "Send the letter now",
}
#: what waits only for its next try, and keeps its windows
_RETRIABLE = frozenset({WaitReason.RETRYING, WaitReason.QUOTA})
#: what takes another package yet, as long as no finalize was asked for
_OPEN = frozenset(
    {UploadState.TRANSFERRING, UploadState.PAUSED, UploadState.IDLE, UploadState.ERROR}
)
#: what would go by itself
_HOLDABLE = frozenset({DropState.SETTLING, DropState.HELD, DropState.QUEUED})
#: what a finalize waits for before it is asked for
_UNASKED = frozenset({WaitReason.RECALL, WaitReason.WINDOW_CLOSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """One thing that a person can ask for."""

    label: str
    #: the path below `/page/` that is posted to
    target: str
    #: what is asked before; None: it is done at once
    asks: Question | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """To whom drops go: what was taken as it was taken, all else as its rule says now."""

    rules: Mapping[str, Rule]
    #: of each upload that is asked about, by its id
    taken: Mapping[str, Consigned] = field(default_factory=dict)

    def of_drop(self, drop: Drop) -> str:
        """Name everybody to whom a drop goes in one clause."""
        is_taken = drop.state is DropState.TAKEN
        if is_taken and drop.upload_id is not None and drop.upload_id in self.taken:
            return self.of_uploads([drop.upload_id])
        return self.by_rule(drop)

    def by_rule(self, drop: Drop) -> str:
        """Name everybody to whom a drop would go if it was taken now."""
        # of a removable one the name comes with its volume
        rule = self.rules.get(drop.hot_folder.partition("@")[0])
        return told(()) if rule is None else _by(rule, drop.path)

    def of_uploads(self, upload_ids: Sequence[str]) -> str:
        """Name everybody to whom one of these uploads goes."""
        known = [self.taken[each] for each in upload_ids if each in self.taken]
        return told(tuple(dict.fromkeys(one for each in known for one in addressees(each))))


def whom(rule: Rule, path: bytes | None = None) -> tuple[str, ...]:
    """Name everybody to whom a rule lets a drop go, or without a path any drop."""
    to = rule.to
    portal = () if to.portal is None else (f"portal {to.portal}",)
    if path is None:
        named = [*(to.recipients or ()), *(one for _, many in to.by_subfolder for one in many)]
    else:
        named = list(to.mailed_for(path) or ())
    return tuple(dict.fromkeys((*portal, *named, *rule.link.mail_to)))


def _by(rule: Rule, path: bytes | None = None) -> str:
    wants = rule.sidecar
    may_name = wants is not None and "recipients" in wants.may_set and rule.to.portal is None
    return told(whom(rule, path), names_others=may_name)


def of_upload(view: UploadView, to: Sequence[str] = (), *, drops: int = 0) -> tuple[Button, ...]:
    """Give what can be asked of an upload now, as the lifecycle allows it.

    `to` are those to whom it goes, `drops` says how many drops of a hot folder go with it.
    """
    upload = view.upload
    legal = lifecycle.UPLOAD[upload.state]
    reason = None if view.waiting is None else view.waiting.reason
    # nothing but its delivery is left, and a start lets that wait for nothing
    is_up = upload.state in (UploadState.IDLE, UploadState.FINALIZING)
    found: list[tuple[str, str]] = []
    if reason in _STARTABLE and not is_up:
        found.append((_STARTABLE[reason], "start"))
    if reason in _RETRIABLE and upload.state is UploadState.TRANSFERRING:
        found.append(("Retry now", "retry"))
    if UploadEvent.PAUSE in legal:
        found.append(("Pause", "pause"))
    if UploadEvent.RESUME in legal and upload.error_code != PackageGone.code:
        # what failed, too: the cure beside it is `masv-watch resume`
        found.append(("Resume", "resume"))
    if upload.state is UploadState.COMPLETE and upload.type is UploadType.TEAM:
        found.append(("Make a link", "link"))
    verbs = [Button(label=label, target=f"uploads/{upload.id}/{verb}") for label, verb in found]
    name = _named(upload.name)
    if UploadEvent.FINALIZE in legal:
        asks = questions.finalize(name, told(to))
        verbs.append(Button(label="Finalize", target=f"uploads/{upload.id}/finalize", asks=asks))
    # of what is idle in its recall window a finalize is the same
    is_back = reason is WaitReason.RECALL and UploadEvent.FINALIZE not in legal
    if is_back or (is_up and reason in _STARTABLE):
        asks = questions.finalize(name, told(to))
        verbs.append(Button(label="Send now", target=f"uploads/{upload.id}/start", asks=asks))
    if is_up and reason in _RETRIABLE:
        asks = questions.finalize(name, told(to))
        verbs.append(Button(label="Retry now", target=f"uploads/{upload.id}/retry", asks=asks))
    if is_cancellable(view):
        asks = questions.cancel_upload(name, told(to), drops=drops)
        verbs.append(Button(label="Cancel", target=f"uploads/{upload.id}/cancel", asks=asks))
    return tuple(verbs)


def is_cancellable(view: UploadView) -> bool:
    """Say whether nobody got an upload yet, and nobody can meanwhile."""
    # a finalize that waits for its time was not asked for at the cloud
    waits = view.waiting is not None and view.waiting.reason in _UNASKED
    is_open = view.upload.state in _OPEN
    is_kept = view.upload.state is UploadState.FINALIZING and waits
    return (is_open or is_kept) and not view.upload.is_finalize_asked


def of_drop(drop: Drop, ways: Ways) -> tuple[Button, ...]:
    """Give what can be asked of a drop now: to send it as it is, never, or once more."""
    path, hot_folder, to = shown(drop.path), escaped(drop.hot_folder), ways.of_drop(drop)
    target = f"drops/{drop.id}"
    found: list[Button] = []
    if drop.hold in lifecycle.RELEASABLE:
        asks = questions.release_drop(path, hot_folder, to)
        found.append(Button(label="Release", target=f"{target}/release", asks=asks))
    elif drop.state in _HOLDABLE:
        found.append(Button(label="Hold", target=f"{target}/hold"))
    if DropEvent.CANCEL in lifecycle.DROP[drop.state]:
        found += _cancelling(drop, to)
    if DropEvent.RESEND in lifecycle.DROP[drop.state]:
        asks = questions.resend(path, hot_folder, to)
        found.append(Button(label="Send again", target=f"{target}/resend", asks=asks))
    return tuple(found)


def of_drop_sent(
    drop: Drop, ways: Ways, *, upload: UploadView, to: Sequence[str]
) -> tuple[Button, ...]:
    """Give what can be asked of a drop of an upload; `to` are those to whom that goes."""
    if drop.state is not DropState.TAKEN:
        return of_drop(drop, ways)
    if not is_cancellable(upload):
        return ()
    if upload.upload.state not in _OPEN:
        return _cancelling(drop, told(to))
    asks = questions.rebind(
        _named(upload.upload.name),
        escaped(drop.hot_folder),
        before=told(to),
        after=ways.by_rule(drop),
    )
    rebind = Button(label="Rebind", target=f"drops/{drop.id}/rebind", asks=asks)
    return (rebind, *_cancelling(drop, told(to)))


def _cancelling(drop: Drop, to: str) -> tuple[Button, ...]:
    asks = questions.cancel_drop(shown(drop.path), escaped(drop.hot_folder), to)
    return (Button(label="Cancel", target=f"drops/{drop.id}/cancel", asks=asks),)


def of_group(rule: Rule | None, hold: HoldReason, *, drops: int) -> tuple[Button, ...]:
    """Give what can be asked of all drops together that a hot folder holds for one reason."""
    if hold is not HoldReason.INITIAL_ASK or rule is None:
        return ()
    target = f"hot_folders/{rule.name}"
    name = escaped(rule.name)
    sends = questions.release_all(drops, name, _by(rule))
    seeds = questions.seed(drops, name)
    return (
        Button(label="Release all", target=f"{target}/release", asks=sends),
        Button(label="Record as seen", target=f"{target}/seed", asks=seeds),
    )


def of_folder(view: FolderView, batches: Batches, ways: Ways) -> tuple[Button, ...]:
    """Give what can be asked of a hot folder; `batches` are those that a finalize delivers now."""
    rule = view.sight.rule
    target = f"hot_folders/{rule.name}"
    found: list[tuple[str, str]] = []
    # one that is disabled is not looked at, so that there is nothing to pause
    if view.state != "disabled":
        found.append(("Scan", "scan"))
        found.append(("Resume", "resume") if view.state == "paused" else ("Pause", "pause"))
    verbs = [Button(label=label, target=f"{target}/{verb}") for label, verb in found]
    if rule.drop is DropMode.BATCH and batches.uploads:
        asks = _delivering(escaped(rule.name), batches, ways)
        verbs.append(Button(label="Finalize batch", target=f"{target}/finalize", asks=asks))
    # what the gate says of another root names the command that takes it
    if f"masv-watch adopt {rule.name}" in view.sight.reason + view.sight.question:
        asks = questions.adopt(escaped(rule.name), shown(rule.path), _by(rule))
        verbs.append(Button(label="Adopt", target=f"{target}/adopt", asks=asks))
    return tuple(verbs)


def _delivering(hot_folder: str, batches: Batches, ways: Ways) -> Question:
    to = ways.of_uploads(batches.uploads)
    if batches.is_open:
        return questions.finalize_batch(hot_folder, to)
    return questions.finalize_ended(hot_folder, to, batches=len(batches.uploads))


def _named(name: str) -> str:
    return escaped(name) or "(no name)"
