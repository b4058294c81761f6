"""The loop that does what a delivered upload owes: its link, letters, sources and receipt.

Owns the order of intent and effect for each task, and the retries of this room. Never changes an
upload: a failing task is shown and tried again, and delivery stands. Built by `daemon`.

Law 1. The link is made without an address, and once where it is certain which one an earlier try
made; a letter goes out only after it is stored.
Law 2. A letter has the same Message-ID at every try; a repeat after a crash is folded by clients.
Law 3. One recipient's refusal is his outcome alone.
Law 4. A package makes way only once the later one's link and letters are out or have ended.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from masv_watch import files
from masv_watch.cloud import wire
from masv_watch.cloud.client import CloudClient
from masv_watch.delivery import archives, dispose, receipts, retire
from masv_watch.delivery.postman import CURE, LEASE_S, OPERATOR_S, Postman
from masv_watch.errors import (
    CloudRefused,
    FenceLost,
    MailDeferred,
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
from masv_watch.model import (
    NO_TURNS,
    After,
    Drop,
    DropState,
    Identity,
    Link,
    Secret,
    Settings,
    SourceFile,
    Task,
    TaskEvent,
    TaskKind,
    Turns,
    Upload,
)
from masv_watch.retry import Next, decide
from masv_watch.store.contract import Store
from masv_watch.uploads import end_links, read_package

log = logging.getLogger(__name__)

#: seconds between two looks while nothing is due; whatever becomes due meanwhile rings or says when
LOOK_S = 10.0
#: seconds between two looks while nothing is owed at all
REST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the outbox acts on."""

    cloud: CloudClient
    login: Login
    settings: Callable[[], Settings]
    #: says for a hot folder which left-out files, by path and bytes, may go along with a source
    #: that is moved or, as the second word says, deleted
    ignored: Callable[[str, str], Callable[[bytes, int], bool]]
    #: is told every secret that is made here, so that no log shows it
    register_secret: Callable[[Secret], None]
    #: gives the markers beside a drop, by its hot folder, path and kind, which go with it
    marks: Callable[[str, bytes, str], tuple[bytes, ...]] = lambda *_: ()
    #: raises where an opened root is not the one in which a drop of these files was delivered
    demand_home: Callable[[files.Root, Drop, Mapping[bytes, Identity]], None] = lambda *_: None


class Outbox:
    """The tasks of some kinds; `tick` is called by one loop."""

    def __init__(
        self,
        store: Store,
        outside: Outside,
        kinds: Sequence[TaskKind],
        *,
        clock: Clock,
        metrics: Metrics,
        luck: Callable[[], float],
        turns: Callable[[], Turns] = lambda: NO_TURNS,
    ) -> None:
        """Take care of these kinds of tasks; `turns` says whose letters must wait."""
        self._store = store
        self._outside = outside
        self._kinds = tuple(kinds)
        self._clock = clock
        self._metrics = metrics
        self._luck = luck
        self._turns = turns
        self._postman = Postman(
            store, outside.settings, clock=clock, metrics=metrics, luck=luck, turns=turns
        )

    def tick(self) -> float:
        """Do the task that is due first; give the seconds to the next look."""
        task = self._store.claim_task(self._kinds, LEASE_S, turns=self._turns())
        if task is None:
            return self._rest_s()
        try:
            self._attempt(task)
        except FenceLost:
            log.info("a task has a newer claim", extra={"task": task.id})
        return 0.0

    def _rest_s(self) -> float:
        """Give the seconds until something can be due; what is owed anew rings."""
        at = self._store.next_task_at(self._kinds)
        return REST_S if at is None else min(max(at - self._store.now(), 1.0), LOOK_S)

    def _attempt(self, task: Task) -> None:
        try:
            self._do(task)
        except StoreError:
            raise
        except MasvWatchError as error:
            self._failed(task, error)

    def _do(self, task: Task) -> None:
        upload = self._store.upload(task.upload_id)
        if upload is None:
            self._store.advance_task(task, TaskEvent.WITHDRAWN, note="its upload is gone")
            return
        if task.kind is TaskKind.LETTER:
            self._postman.deliver(task, upload)
            return
        if task.kind is not TaskKind.RECEIPT:
            # a signature and its outcome are one transaction, and nothing outside is done
            self._store.note_task_asked(task)
        if task.kind is TaskKind.LINK:
            self._make_link(task, upload)
        elif task.kind is TaskKind.RETIRE:
            self._retire(task)
        elif task.kind is TaskKind.RECEIPT:
            team = self._outside.settings().masv.team
            receipts.make(self._store, task, upload, team=team)
        else:
            self._dispose(task, upload)
        self._metrics.count("tasks_done", kind=task.kind)

    def _make_link(self, task: Task, upload: Upload) -> None:
        made = self._link_of_earlier_try(upload) if task.asked else None
        if made is None:
            cloud, (package_id, token) = self._outside.cloud, self._package(upload)
            try:
                made = cloud.create_link(package_id, token, password=upload.password)
            except TokenExpired:
                fresh = self._fresh_token(upload)
                made = cloud.create_link(package_id, fresh, password=upload.password)
        self._outside.register_secret(made.secret)
        link = Link(upload_id=upload.id, id=made.id, secret=made.secret, expiry=made.expiry)
        self._store.advance_task(task, TaskEvent.DONE, link=link, note=f"link {made.id}")

    def _link_of_earlier_try(self, upload: Upload) -> wire.CreatedLink | None:
        """Find the link that an earlier try may have made; None where that is not certain.

        A second link opens nothing to anybody: nobody was given the first.
        """
        seen = read_package(self._outside.cloud, self._outside.login, upload)
        others = self._store.known_links(upload) | self._store.links_by_hand(upload)
        found = [
            link for link in seen.links if link.id not in others and _could_be_ours(link, upload)
        ]
        return found[0] if len(found) == 1 else None

    def _fresh_token(self, upload: Upload) -> Secret:
        seen = read_package(self._outside.cloud, self._outside.login, upload)
        return seen.token or self._package(upload)[1]

    def _package(self, upload: Upload) -> tuple[str, Secret]:
        if upload.package_id is None or upload.package_token is None:
            raise MailDeferred(f"upload {upload.id} has no package")
        return upload.package_id, upload.package_token

    def _retire(self, task: Task) -> None:
        old = self._store.upload(task.key)
        if old is not None and old.package_id is not None and self._store.shares_package(old):
            note = self._unlink(old)
            self._store.advance_task(task, TaskEvent.DONE, note=note)
            return
        note = retire.delete_replaced(old, self._outside.cloud, fresh_token=self._fresh_token)
        self._store.advance_task(task, TaskEvent.DONE, note=note)
        log.info("a replaced package was dealt with", extra={"upload": task.key, "what": note})

    def _unlink(self, old: Upload) -> str:
        """End the links of a replaced upload whose package serves another drop as well."""
        with suppress(PackageGone):
            end_links(old, self._store, self._outside.cloud, self._outside.login)
        return f"package {old.package_id} serves another drop too and stays, without its links"

    def _dispose(self, task: Task, upload: Upload) -> None:
        drop = self._store.drop(int(task.key))
        if drop is None:
            self._store.advance_task(task, TaskEvent.WITHDRAWN, note="its drop is gone")
            return
        if task.facts and drop.state is not DropState.DUPLICATE:
            self._store.advance_task(task, TaskEvent.WITHDRAWN, note="it is to be sent again")
            return
        source = self._source(drop, upload, task.facts)
        with files.Root.open(source.root) as root:
            # first: beside a bare mount point an archive is not where it was either
            self._outside.demand_home(root, drop, source.expected)
            archives.demand_there(self._store, source)
            note = dispose.carry_out(root, source)
        self._store.advance_task(task, TaskEvent.DONE, note=note)
        log.info("a delivered source was dealt with", extra={"drop": drop.id, "what": note})

    def _source(self, drop: Drop, upload: Upload, facts: Mapping[str, str]) -> dispose.Source:
        """Give a drop with what was delivered of it; the facts are those of a duplicate."""
        if facts:
            expected = dict(self._store.sources(drop.id))
            root = os.fsencode(facts["root"])
            after = After(delivered=facts["after"], move_to=facts["move_to"])
        else:
            rows = self._store.files(upload.id)
            expected = {row.path: row.identity for row in rows if row.drop_id == drop.id}
            root, after = upload.root, upload.terms.after
        kind = "file" if set(expected) == {drop.path} else "folder"
        is_known = all(identity.is_whole for identity in expected.values())
        return dispose.Source(
            root=root,
            after=after,
            drop=drop,
            expected=expected,
            finalized=self._clock.local(upload.finalized_at or upload.created_at),
            ignored=self._outside.ignored(drop.hot_folder, after.delivered),
            sent={} if is_known else self._sent(drop, upload, is_duplicate=bool(facts)),
            marks=self._outside.marks(drop.hot_folder, drop.path, kind),
        )

    def _sent(
        self, drop: Drop, upload: Upload, *, is_duplicate: bool
    ) -> dict[bytes, list[SourceFile]]:
        """Give by each path of a drop what of the package may be the same.

        Of a duplicate that is whatever lies in any drop of it as the file lies in its own.
        """
        tops = {each.id: each.path for each in self._store.drops_of(upload.id)}
        found: dict[bytes, list[SourceFile]] = {}
        for row in self._store.files(upload.id):
            if row.drop_id == drop.id:
                found.setdefault(row.path, []).append(row)
            elif is_duplicate and row.drop_id in tops:
                below = row.path[len(tops[row.drop_id]) :]
                found.setdefault(drop.path + below, []).append(row)
        return found

    def _failed(self, task: Task, error: MasvWatchError) -> None:
        """Let a task wait or end, and say why."""
        self._metrics.count("task_failures", kind=task.kind, code=error.code)
        if isinstance(error, NoSession):
            self._outside.login.refused()
        now = self._store.now()
        is_kept = task.kind is TaskKind.RETIRE and isinstance(error, CloudRefused)
        if is_kept or isinstance(error, SourceChanged | SourceVanished | PackageGone):
            note = self._without_link(task, str(error))
            self._store.advance_task(task, TaskEvent.REFUSED, note=note)
            log.error("a task ended without success", extra=_told(task, error))
            return
        at = self._again_at(task, error, now)
        note = self._without_link(task, str(error))
        self._store.retry_task(task, retry_at=at, attempts=task.attempts + 1, note=note)
        log.warning(
            "a task failed and is tried again",
            extra={**_told(task, error), "again_in_s": round(at - now, 1)},
        )

    def _without_link(self, task: Task, words: str) -> str:
        """Take the link's secret out of what others said: some quote what they refuse."""
        link = self._store.link(task.upload_id)
        return words if link is None else words.replace(link.secret.reveal(), "***")

    def _again_at(self, task: Task, error: MasvWatchError, now: float) -> float:
        """Give when a task is due again; what only a person can mend is owed all the same."""
        if isinstance(error, NoSession):
            # with the next trial of the key, which may have been refused by mistake
            return now + (self._outside.login.pause_s() or OPERATOR_S)
        decision = decide(error, task.attempts + 1, now, self._luck())
        if decision.next is Next.AGAIN and decision.at is not None:
            return decision.at
        return now + OPERATOR_S


def _could_be_ours(link: wire.CreatedLink, upload: Upload) -> bool:
    """Say whether a link is as we make them: only without an address one shows its secret."""
    is_open = bool(link.secret.reveal()) and not link.locked
    return is_open and link.has_password == (upload.password is not None)


def _told(task: Task, error: MasvWatchError) -> dict[str, object]:
    return {
        "upload": task.upload_id,
        "kind": task.kind,
        "code": error.code,
        "reason": error.message,
        "cure": error.hint or _CURES[task.kind].format(upload=task.upload_id),
    }


#: what a person does instead, where the failure itself names nothing
_CURES = {
    TaskKind.LINK: "masv-watch link {upload} makes one by hand",
    TaskKind.LETTER: CURE,
    TaskKind.DISPOSE: (
        "deal with the source by hand: what was sent of it is delivered; masv-watch show {upload}"
        " lists that"
    ),
    TaskKind.RETIRE: "delete the earlier package at MASV; masv-watch show {upload}",
    TaskKind.RECEIPT: "look at the log; delivery stands, and masv-watch show {upload} lists it",
}


#: which kinds one loop takes together: a large move must not keep letters waiting
LETTERS = (TaskKind.LINK, TaskKind.LETTER, TaskKind.RETIRE, TaskKind.RECEIPT)
SOURCES = (TaskKind.DISPOSE,)
