"""The verbs on the ledger: what was seen, held and sent, and how a person answers it.

Owns resending, forgetting, rebinding and the export of the record. Never reads a source: it rings,
and the hot folder's own loop looks. Called by the API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from masv_watch.errors import IllegalTransition, NotFound
from masv_watch.model import (
    Drop,
    DropState,
    HoldReason,
    Secret,
    TaskKind,
    TaskState,
    Terms,
    UploadState,
)
from masv_watch.names import shown
from masv_watch.store.contract import Store
from masv_watch.uploads.folders import drop_view
from masv_watch.uploads.places import root_of
from masv_watch.uploads.views import DropView, cure_of

#: states of an upload whose terms may still change
_OPEN = (UploadState.TRANSFERRING, UploadState.PAUSED, UploadState.IDLE, UploadState.ERROR)


class Records:
    """The ledger as people see it."""

    def __init__(
        self,
        store: Store,
        *,
        hurry: Callable[[str], None],
        terms: Callable[[str, bytes, Terms], Terms | None],
        is_there: Callable[[str, bytes], bool | None] = lambda *_: None,
        password: Callable[[str], Secret | None] = lambda _name: None,
        sight: Callable[[Drop], str] = lambda _drop: "",
    ) -> None:
        """Work on this ledger.

        `hurry` asks a hot folder by name to sweep soon; `terms` gives what its rule says of a
        drop's path now, None where the configuration has none of that name, or names nobody.
        `is_there` says whether something stands at a drop's path, None where that cannot be told.
        `password` is the one that a hot folder's packages have now. `sight` tells what was seen
        last of a drop that settles.
        """
        self._store = store
        self._hurry = hurry
        self._terms = terms
        self._is_there = is_there
        self._password = password
        self._sight = sight

    def drop(self, drop_id: int) -> DropView:
        """Give one drop, whatever became of it.

        Raises:
            NotFound: there is no such drop.
        """
        return self.view(self._find(drop_id))

    def page(self, hot_folder: str | None, *, after: int, limit: int) -> Sequence[DropView]:
        """List drops by their number behind `after`, those that ended too."""
        found = self._store.ledger_page(hot_folder, after=after, limit=limit)
        known = self._store.files_up()
        return [drop_view(drop, _counts(drop, known)) for drop in found]

    def resend(self, drop_id: int) -> DropView:
        """Send what ended once more, whatever was delivered of it.

        Raises:
            NotFound: there is no such drop.
            IllegalTransition: it has not ended, has a newer generation, or its source is gone.
        """
        known = self._find(drop_id)
        if self._is_over(known) and self._is_there(known.hot_folder, known.path) is False:
            raise self._without_source(known)
        try:
            drop = self._store.resend_drop(drop_id)
        except IllegalTransition as error:
            hint = error.hint if known.state not in _LIVING else _of_living(known, self._store)
            raise IllegalTransition(
                error.message, hint=hint, state=str(known.state), allowed=[]
            ) from error
        self._hurry(drop.hot_folder)
        return self.view(drop)

    def _is_over(self, drop: Drop) -> bool:
        """Say whether a drop ended, or is delivered and owes letters at most."""
        if drop.state is not DropState.TAKEN:
            return drop.state not in _LIVING
        upload = self._store.upload(drop.upload_id or "")
        return upload is not None and upload.state is UploadState.COMPLETE

    def _without_source(self, drop: Drop) -> IllegalTransition:
        """Say where a source went that is to be sent once more."""
        tasks = self._store.tasks(drop.upload_id) if drop.upload_id else []
        notes = [
            task.note
            for task in tasks
            if (task.kind, task.key) == (TaskKind.DISPOSE, str(drop.id))
            and task.state is TaskState.DONE
        ]
        went = f"after its delivery it was {notes[-1]}" if notes and notes[-1] else ""
        return IllegalTransition(
            f"the source of drop {drop.id} is not at {shown(drop.path)} in {drop.hot_folder} any"
            f" more{f': {went}' if went else ''}",
            hint=f"put it back there, then masv-watch resend {drop.id}",
            state=str(drop.state),
            allowed=[],
        )

    def cancel(self, drop_id: int) -> DropView:
        """End a drop that has not gone yet, for good; its source stays, and so does the rest.

        What still comes of it is not sent either; other content under its name is, once it settled.

        Raises:
            NotFound: there is no such drop.
            IllegalTransition: it ended before, or may be delivered already.
        """
        known = self._find(drop_id)
        try:
            drop = self._store.cancel_drop(
                drop_id, "a person cancelled it", sight=self._sight(known)
            )
        except IllegalTransition as error:
            hint = error.hint if known.state in _LIVING else f"it ended as {known.state} before"
            raise IllegalTransition(
                error.message, hint=hint, state=str(known.state), allowed=[]
            ) from error
        self._hurry(drop.hot_folder)
        return self.view(drop)

    def rebind(self, drop_id: int) -> DropView:
        """Let a drop on its way go to whom its rule names now, with all of its upload.

        A package that was made for others is cancelled, and all of it is sent to a new one. What a
        sidecar said of it stays as far as the rule takes it.

        Raises:
            NotFound: there is no such drop, or no rule of its name.
            IllegalTransition: it is not on its way, or is being delivered.
        """
        drop = self._find(drop_id)
        upload = self._store.upload(drop.upload_id) if drop.upload_id else None
        if drop.state is not DropState.TAKEN or upload is None or upload.state not in _OPEN:
            raise IllegalTransition(
                f"drop {drop.id} is not on its way",
                hint="what has not been taken follows its rule by itself",
                state=str(drop.state),
                allowed=[],
            )
        terms = self._terms(drop.hot_folder, drop.path, upload.terms)
        if terms is None:
            raise NotFound(f"no hot folder {drop.hot_folder!r} names anybody for it any more")
        password = self._password(drop.hot_folder)
        self._store.rebind_upload(upload.id, terms, password=password)
        return self.view(self._find(drop_id))

    def forget(self, hot_folder: str, path: bytes) -> int:
        """Let what ended under a path count no more, so that what stands there is new.

        Raises:
            NotFound: the ledger has nothing that ended there.
        """
        rows = self._store.forget_path(hot_folder, path)
        if not rows:
            latest = self._store.latest_drop(hot_folder, path)
            raise NotFound(
                f"the ledger has nothing that ended at {shown(path)} in {hot_folder}",
                hint="name the file or folder in the hot folder itself"
                if latest is None
                else _of_living(latest, self._store),
            )
        self._hurry(hot_folder)
        return rows

    def _find(self, drop_id: int) -> Drop:
        drop = self._store.drop(drop_id)
        if drop is None:
            raise NotFound(
                f"there is no drop {drop_id}", hint="masv-watch ledger export lists all of them"
            )
        return drop

    def view(self, drop: Drop) -> DropView:
        """Give a row as people see it, with its cure and how much of it is up."""
        counts = _counts(drop, self._store.files_up())
        return drop_view(drop, counts, root=root_of(self._store, drop))


def _counts(drop: Drop, known: Mapping[int, tuple[int, int]]) -> tuple[int, int]:
    """Give the files of a drop and those that the cloud has; `known` are those on their way."""
    if drop.id in known:
        return known[drop.id]
    return drop.file_count, drop.file_count if drop.state is DropState.DONE else 0


_LIVING = (DropState.SETTLING, DropState.HELD, DropState.QUEUED, DropState.TAKEN)


def _of_living(drop: Drop, store: Store) -> str:
    """Say what helps a drop that has not ended."""
    if drop.state is DropState.TAKEN and drop.upload_id:
        disposals = [task for task in store.tasks(drop.upload_id) if task.kind is TaskKind.DISPOSE]
        if any(task.state is TaskState.DUE for task in disposals):
            return (
                "it is delivered, and what `after` says of its source is still to be done: wait"
                f" for that; masv-watch show {drop.upload_id} says what it waits for"
            )
        return f"it is on its way: masv-watch show {drop.upload_id}"
    root = root_of(store, drop)
    growing = replace(drop, hold=drop.hold or HoldReason.GROWING)
    return cure_of(growing, root)
