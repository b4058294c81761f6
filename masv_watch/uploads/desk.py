"""The verbs on uploads, for hot folders and callers alike.

Owns what may be asked of an upload and how a refusal is put. Never moves a byte and never asks the
cloud. Called by intake, by the sender for what changed, and by the API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from masv_watch import lifecycle
from masv_watch.cloud.wire import Team
from masv_watch.errors import Denied, IllegalTransition, NotFound, Unprocessable
from masv_watch.login import Login
from masv_watch.logs import register_secrets
from masv_watch.model import (
    NO_TURNS,
    STILL,
    TOKEN_HOLDER,
    Caller,
    Consigned,
    Draft,
    Drop,
    DropDraft,
    FilesNamed,
    Flow,
    Selection,
    TaskKind,
    TaskState,
    Traffic,
    Turns,
    Upload,
    UploadEvent,
    UploadState,
    UploadType,
)
from masv_watch.retry import Shortage
from masv_watch.store.contract import Store
from masv_watch.uploads.places import root_of
from masv_watch.uploads.receipts import Receipts
from masv_watch.uploads.refusals import may_be_delivered, missing
from masv_watch.uploads.views import (
    SendingView,
    UploadDetails,
    UploadView,
    WaitReason,
    addressees,
    calls_for,
    eta_of,
    line_of,
    view_of,
    waiting_for,
)
from masv_watch.uploads.wishes import Sources, Wish, draft_of, repeat_of

#: characters of a team's name in a hint
_SHOWN_TEAM = 64
#: teams that a hint lists
_LISTED = 20


#: for what of an upload whose bytes are up may wait that a person can start past
_STARTABLE = frozenset(
    {
        WaitReason.WINDOW_CLOSED,
        WaitReason.RECALL,
        WaitReason.DIGEST,
        WaitReason.HELD,
        WaitReason.QUOTA,
    }
)


class Uploads:
    """The verbs of the front desk over one store."""

    def __init__(
        self,
        store: Store,
        *,
        auth_until: Callable[[], float | None],
        login: Login | None = None,
        sources: Sources | None = None,
        auto_finalize: Callable[[], bool] = lambda: False,
        traffic: Callable[[], Mapping[str, Traffic]] = dict,
        turns: Callable[[], Turns] = lambda: NO_TURNS,
    ) -> None:
        """Work on this store; `auth_until` tells when a refused key is tried again.

        `login` and `sources` serve the creates of callers; a desk without them serves none.
        `traffic` says what is on its way of each upload that is in hand, `turns` whose turn it is.
        """
        self._turns = turns
        self._store = store
        #: what proves deliveries
        self.receipts = Receipts(store)
        self._auth_until = auth_until
        self._login = login
        self._sources = sources
        self._auto_finalize = auto_finalize
        self._traffic = traffic

    def create(self, draft: Draft) -> str:
        """Make a hot folder's draft an upload and give its id; one of a batch joins the open one.

        Raises:
            IllegalTransition: its drop was taken or ended meanwhile; nothing is changed.
        """
        if draft.terms.batch and draft.hot_folder is not None:
            joined = self._join(draft.hot_folder, draft.drops)
            if joined is not None:
                return joined
        return self._store.create_upload(draft)

    def _join(self, hot_folder: str, drops: tuple[DropDraft, ...]) -> str | None:
        sizes = [file.identity.size for drop in drops for file in drop.files]
        upload_id = self._store.open_batch(hot_folder, files=len(sizes), size=sum(sizes))
        if upload_id is None:
            return None
        for drop in drops:
            self._store.join_upload(upload_id, drop)
        return upload_id

    def ask(self, wish: Wish, caller: Caller, *, key: str = "") -> str:
        """Make what a caller wishes an upload and give its id.

        The same wish with the same `key` gives the upload of the first time, whatever became of
        its sources since.

        Raises:
            NoSession: it is for a team and nobody is signed in, or the key is refused.
            SourceForbidden: a path is not there, or not his to send.
            Unprocessable: nothing to send, an unknown team, or a key that was used otherwise.
            StoreFull: the disk of the state is low.
        """
        repeat = repeat_of(wish, key, caller, self._store.digest)
        earlier = None if repeat is None else self._store.repeated(repeat)
        if earlier is not None:
            return earlier
        self._store.demand_room()
        if wish.type is UploadType.TEAM:
            self._demand_session(wish)
        draft = draft_of(
            wish,
            self._eyes().look(wish.paths, caller),
            reader=reader_of(caller),
            idle_s=0.0 if self._auto_finalize() else None,
            repeat=repeat,
        )
        upload_id = self._store.create_upload(draft)
        # not before: a wish that is refused must not teach the log words to blacken
        register_secrets(*filter(None, (wish.password, wish.access_code)))
        return upload_id

    def _demand_session(self, wish: Wish) -> None:
        if self._login is None:
            return
        self._login.key()
        teams = self._login.known_teams()
        if teams is not None and not any(_is_meant(team, wish.team or "") for team in teams):
            named = [team.subdomain[:_SHOWN_TEAM] for team in teams[:_LISTED]]
            known = ", ".join(named) or "none"
            raise Unprocessable(
                f"the session does not belong to team {wish.team!r}",
                hint=f"name one of its teams: {known}",
                field="subdomain",
            )

    def _eyes(self) -> Sources:
        if self._sources is None:
            raise NotFound("this desk takes no paths")
        return self._sources

    def add_files(self, upload_id: str, paths: Sequence[bytes], caller: Caller) -> None:
        """Add what lies at these paths to an open upload; known files are left as they are.

        Raises:
            NotFound, IllegalTransition, SourceForbidden, Unprocessable: nothing is changed.
            StoreFull: the disk of the state is low.
        """
        upload = self.find(upload_id)
        self._store.demand_room()
        if upload.hot_folder is not None:
            raise IllegalTransition(
                "the files of a hot folder's upload come from its folder",
                hint=f"drop them into the hot folder {upload.hot_folder}, or make another upload",
                **self._facts(upload),
            )
        if UploadEvent.FILES_ADDED not in lifecycle.UPLOAD[upload.state]:
            raise self._refusal(upload, "files")
        found = self._eyes().look(paths, caller)
        try:
            self._store.add_files(upload_id, found.files, found.skipped, reader=reader_of(caller))
        except IllegalTransition as error:
            raise self._refusal(self.find(upload_id), "files") from error

    def list(
        self, wanted: Selection | None = None, *, waiting_only: bool = False
    ) -> list[UploadView]:
        """List the uploads of a selection, every one oldest first without it."""
        traffic, uploads = self._traffic(), self._store.select_uploads(wanted or Selection())
        open_tasks, refused = self._store.open_tasks(), self._store.refused_tasks()
        unsettled, held = self._store.unsettled(), self._held()
        turns, unpaid = self._turns(), self._store.unpaid()
        letters = self._store.due_letters() if turns.undelivered else set()
        gathering = self._store.gathering_letters()
        # a long queue takes long to read, and only who stands in it asks for his place
        is_sent = any(upload.state is UploadState.TRANSFERRING for upload in uploads)
        queued = self._store.queued(turns) if is_sent else []
        ahead = {upload_id: number for number, upload_id in enumerate(queued)}
        now, auth_until = self._store.now(), self._auth_until()
        views = []
        for upload in uploads:
            waiting = waiting_for(
                upload,
                now=now,
                ahead=ahead.get(upload.id),
                auth_until=auth_until,
                quota_until=_asked_at(unpaid, upload.id),
                settling=upload.id in unsettled,
                held=held.get(upload.id),
                root=root_of(self._store, held.get(upload.id)),
                turns=turns,
                owes_letter=upload.id in letters,
                letter_until=gathering.get(upload.id),
            )
            if waiting is not None or not waiting_only:
                views.append(
                    view_of(
                        upload,
                        waiting,
                        open_tasks=open_tasks.get(upload.id, 0),
                        refused_tasks=refused.get(upload.id, 0),
                        traffic=traffic.get(upload.id, STILL),
                    )
                )
        return views

    def files_named(self, needle: str) -> FilesNamed:
        """Say which uploads hold a file with a text in its name, as far as half a second leads."""
        return self._store.files_named(needle)

    def consigned(self, upload_ids: Sequence[str]) -> Mapping[str, Consigned]:
        """Say of these uploads to whom they go, and what of hot folders goes with them."""
        return self._store.consigned(upload_ids)

    def counts(self, caller: Caller) -> Mapping[UploadState, int]:
        """Count the uploads that are a caller's, by their state; those being deleted left out."""
        return self._store.upload_states(reader_of(caller))

    def view(self, upload_id: str) -> UploadView:
        """Give one upload as the list shows it.

        Raises:
            NotFound: no such upload, or it is being deleted.
        """
        traffic = self._traffic().get(upload_id, STILL)
        upload = self.find(upload_id)
        tasks = self._store.tasks(upload_id)
        due = [task.kind for task in tasks if task.state is TaskState.DUE]
        turns = self._turns()
        is_sent = upload.state is UploadState.TRANSFERRING
        queued = self._store.queued(turns) if is_sent else []
        line = line_of(upload)
        held = self._held().get(upload_id)
        waiting = waiting_for(
            line,
            now=self._store.now(),
            ahead=queued.index(upload_id) if upload_id in queued else None,
            auth_until=self._auth_until(),
            quota_until=_asked_at(self._store.unpaid(), upload_id),
            settling=upload_id in self._store.unsettled(),
            held=held,
            root=root_of(self._store, held),
            turns=turns,
            owes_letter=TaskKind.LETTER in due,
            letter_until=self._letter_until(upload_id) if TaskKind.LETTER in due else None,
        )
        return view_of(
            line,
            waiting,
            open_tasks=len(due),
            refused_tasks=sum(1 for task in tasks if task.state is TaskState.REFUSED),
            traffic=traffic,
        )

    def _letter_until(self, upload_id: str) -> float | None:
        return self._store.gathering_letters().get(upload_id)

    def turns(self) -> Turns:
        """Say whose turn it is now, and whose window is closed."""
        return self._turns()

    def _held(self) -> dict[str, Drop]:
        return {drop.upload_id: drop for drop in self._store.held_drops() if drop.upload_id}

    def sending(self, flow: Flow) -> SendingView:
        """Say how the sending of all uploads goes, those that wait for their turn too."""
        unsent = self._store.unsent()
        eta_s = eta_of(unsent, in_flight=flow.in_flight, rate=flow.rate) if unsent else None
        return SendingView(flow=flow, unsent=unsent, eta_s=eta_s)

    def details(self, upload_id: str) -> UploadDetails:
        """Give one upload with its files.

        Raises:
            NotFound: no such upload, or it is being deleted.
        """
        terms, tasks = self.find(upload_id).terms, self._store.tasks(upload_id)
        return UploadDetails(
            view=self.view(upload_id),
            to=addressees(terms),
            files=tuple(self._store.files(upload_id)),
            drops=tuple(self._store.drops_of(upload_id)),
            tasks=tuple(tasks),
            skipped=tuple(self._store.skipped(upload_id)),
            companions={
                task.id: self._store.companions(task, template=terms.template)
                for task in tasks
                if task.kind is TaskKind.LETTER and task.state is TaskState.DUE
            },
        )

    def pause(self, upload_id: str) -> None:
        """Stop sending until a person resumes; a paused one stays as it is.

        Raises:
            NotFound, IllegalTransition: nothing is changed.
        """
        self._steer(upload_id, UploadEvent.PAUSE, already=(UploadState.PAUSED,))

    def resume(self, upload_id: str) -> None:
        """Go on after a pause or an error; one that is transferring stays as it is.

        Raises:
            NotFound, IllegalTransition: nothing is changed.
        """
        self._steer(upload_id, UploadEvent.RESUME, already=(UploadState.TRANSFERRING,))

    def finalize(self, upload_id: str) -> None:
        """Ask for the finalize of an idle upload; a finalizing or complete one stays as it is.

        Raises:
            NotFound, IllegalTransition: nothing is changed.
        """
        done = (UploadState.FINALIZING, UploadState.COMPLETE)
        self._steer(upload_id, UploadEvent.FINALIZE, already=done)

    def delete(self, upload_id: str, *, takes_package: bool = False) -> None:
        """Have an upload deleted, in any state; no source is touched and nothing owed is done.

        What was not delivered goes from the cloud; what was stays there unless `takes_package`.

        Raises:
            NotFound: no such upload.
        """
        self.find(upload_id)
        try:
            self._store.delete_upload(upload_id, takes_package=takes_package)
        except IllegalTransition as error:
            raise missing(upload_id) from error

    def cancel(self, upload_id: str) -> None:
        """Have an upload deleted of which no finalize may have reached the cloud.

        Raises:
            NotFound: no such upload.
            IllegalTransition: it is delivered, or may be; nothing is changed.
        """
        self.find(upload_id)
        try:
            self._store.delete_upload(upload_id, takes_package=False, if_unasked=True)
        except IllegalTransition as error:
            raise may_be_delivered(self.find(upload_id)) from error

    def demand_his(self, upload_id: str, caller: Caller, *, to: str) -> None:
        """Refuse what would give a caller bytes, or take them from others, that are not his.

        The owners may do everything. Who has nothing but the token may do it with hot folders'
        uploads, everybody else only with uploads of which he named every file.

        Raises:
            NotFound: no such upload.
            Denied: a file of it came by somebody else.
        """
        upload = self.find(upload_id)
        reader = reader_of(caller)
        if reader is None or (reader == TOKEN_HOLDER and upload.hot_folder is not None):
            return
        if self._store.readers(upload_id) != {reader}:
            raise Denied(
                f"only who named every file of an upload, root and the daemon's own user may {to}"
                " it",
                hint="ask one of them for it",
            )

    def prioritize(self, upload_id: str, priority: int) -> None:
        """Set whose turn it is among those that wait: higher goes first.

        Raises:
            NotFound: no such upload.
        """
        self.find(upload_id)
        self._store.prioritize(upload_id, priority)

    def start(self, upload_id: str) -> None:
        """Let an upload that waits go at once, past its slot, its retry and all its windows.

        Raises:
            NotFound, IllegalTransition: nothing is changed.
        """
        self._demand_wait(upload_id, "start", _STARTABLE)
        self._store.start_upload(upload_id)

    def retry(self, upload_id: str) -> None:
        """Let an upload that waits for its next try, or for quota, be tried in its turn.

        Raises:
            NotFound, IllegalTransition: nothing is changed.
        """
        self._demand_wait(upload_id, "retry", frozenset({WaitReason.QUOTA}))
        self._store.retry_upload(upload_id)

    def _demand_wait(self, upload_id: str, call: str, reasons: frozenset[WaitReason]) -> None:
        """Refuse a call on what is not sent, unless it waits for one of these reasons."""
        upload = self.find(upload_id)
        if upload.state is not UploadState.TRANSFERRING:
            waiting = self.view(upload_id).waiting
            if waiting is None or waiting.reason not in reasons:
                raise self._refusal(upload, call)

    def pause_all(self) -> Sequence[str]:
        """Pause every upload that is transferring; give their ids."""
        return self._store.advance_uploads(UploadState.TRANSFERRING, UploadEvent.PAUSE)

    def resume_all(self) -> Sequence[str]:
        """Resume every paused upload; give their ids."""
        return self._store.advance_uploads(UploadState.PAUSED, UploadEvent.RESUME)

    def find(self, upload_id: str) -> Upload:
        """Give the row of an upload.

        Raises:
            NotFound: no such upload, or it is being deleted.
        """
        upload = self._store.upload(upload_id)
        if upload is None or lifecycle.SHOWN_AS[upload.state] is None:
            raise missing(upload_id)
        return upload

    def _steer(
        self, upload_id: str, event: UploadEvent, *, already: tuple[UploadState, ...]
    ) -> None:
        if self.find(upload_id).state in already:
            return
        try:
            self._store.advance_upload(upload_id, event)
        except IllegalTransition as error:
            upload = self.find(upload_id)
            if upload.state not in already:
                raise self._refusal(upload, str(event)) from error

    def _refusal(self, upload: Upload, call: str) -> IllegalTransition:
        facts = self._facts(upload)
        return IllegalTransition(
            f"{call} is not possible while the upload is {facts['state']}",
            hint=f"possible now: {', '.join(calls_for(upload)) or 'nothing'}",
            **facts,
        )

    def _facts(self, upload: Upload) -> dict[str, object]:
        return {"state": lifecycle.SHOWN_AS[upload.state], "allowed": calls_for(upload)}


def _asked_at(unpaid: Mapping[str, Shortage], upload_id: str) -> float | None:
    found = unpaid.get(upload_id)
    return None if found is None else found.ask_at


def _is_meant(team: Team, wanted: str) -> bool:
    return wanted == team.id or wanted.casefold() == team.subdomain.casefold()


def reader_of(caller: Caller) -> int | None:
    """Give by whose rights a caller reads; None for who may read everything."""
    if caller.is_owner:
        return None
    return TOKEN_HOLDER if caller.uid is None else caller.uid
