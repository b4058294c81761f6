"""Any sequence of verbs against a model: counters, guards and uniqueness always hold."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from masv_watch import lifecycle
from masv_watch.errors import (
    FenceLost,
    IllegalTransition,
    SourceChanged,
    SourceVanished,
)
from masv_watch.model import (
    Arrived,
    Chunk,
    Drop,
    DropEvent,
    DropState,
    FileDraft,
    HoldReason,
    Identity,
    Secret,
    SourceFile,
    TaskKind,
    Upload,
    UploadEvent,
    UploadState,
)
from masv_watch.store.sqlite import SqliteStore
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import SqliteBench
from tests.integration.store.making import FOLDER, LEASE_S
from tests.searching import examples

PATHS = (b"a", b"b", b"c")
NAMES = (b"1", b"2", b"3")
LIVING = ("settling", "held", "queued", "taken")
OPEN = ("transferring", "paused", "idle", "finalizing", "error")
CHUNK = 10

contents = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.integers(0, 25), st.integers(1, 2)), min_size=1
)
picks = st.integers(0, 1000)


def drafts(path: bytes, content: dict[bytes, tuple[int, int]]) -> list[FileDraft]:
    """Give the files of a folder by name, size and version."""
    return [
        making.file_draft(path + b"/" + name, size, version)
        for name, (size, version) in sorted(content.items())
    ]


class StoreMachine(RuleBasedStateMachine):
    """Intake, sender, outbox, operator and crashes take turns in any order."""

    def __init__(self) -> None:
        """Open a state of its own."""
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="store-machine-"))
        self.clock = FakeClock()
        self.bench = SqliteBench(self.folder, self.clock)
        self.store: SqliteStore = self.bench.open()
        #: the fence of the claim that counts, by upload
        self.fences: dict[str, int] = {}
        #: fences that a newer claim overtook
        self.zombies: list[tuple[str, int]] = []
        #: the content that settled last, by (upload, path, name): the model of what must be sent
        self.settled: dict[tuple[str, bytes], Identity] = {}
        #: what the cloud has been told to put together, by upload
        self.finalized: dict[str, int] = {}

    def teardown(self) -> None:
        """Close and forget the state."""
        self.bench.close()
        shutil.rmtree(self.folder)

    def drop(self, pick: int, *states: str) -> Drop | None:
        """Pick a drop in one of these states."""
        fitting = [drop for drop in self.store.drops() if drop.state in states]
        return fitting[pick % len(fitting)] if fitting else None

    def claimed(self, pick: int) -> Upload | None:
        """Pick an upload that is claimed."""
        ids = sorted(self.fences)
        return self.store.upload(ids[pick % len(ids)]) if ids else None

    def open_file(self, pick: int) -> tuple[Upload, SourceFile] | None:
        """Pick an open file of a claimed upload."""
        upload = self.claimed(pick)
        files = [] if upload is None else self.store.next_files(upload.id, 99)
        return (upload, files[pick % len(files)]) if upload is not None and files else None

    def note_settled(self, upload_id: str, drop: Drop, files: Sequence[FileDraft]) -> None:
        """Remember what an upload must hold now."""
        for key in [key for key in self.settled if key[0] == upload_id]:
            if key[1].startswith(drop.path + b"/"):
                del self.settled[key]
        for file in files:
            self.settled[upload_id, file.path] = file.identity

    def lose_claim(self, upload_id: str) -> None:
        """Forget a claim that another verb took away."""
        if upload_id in self.fences:
            self.zombies.append((upload_id, self.fences.pop(upload_id)))

    @initialize(path=st.sampled_from(PATHS), content=contents)
    def first(self, path: bytes, content: dict[bytes, tuple[int, int]]) -> None:
        """Begin with something to do."""
        self.arrive(path, content, batch=True)

    @rule(path=st.sampled_from(PATHS), content=contents, batch=st.booleans())
    def arrive(self, path: bytes, content: dict[bytes, tuple[int, int]], *, batch: bool) -> None:
        """Intake finds a quiet entry: it joins the open batch or becomes an upload."""
        drop = self.store.see_drop(FOLDER, path)
        files = drafts(path, content)
        draft = making.drop_draft(drop, files)
        joins = self.store.open_batch(FOLDER) if batch else None
        try:
            if joins is None:
                upload_id = self.store.create_upload(making.upload_draft(draft, batch=batch))
            else:
                self.store.join_upload(joins, draft)
                upload_id = joins
        except IllegalTransition:
            assert drop.state in ("taken", "held")
            return
        assert drop.state in ("settling", "queued")
        self.note_settled(upload_id, drop, files)

    @rule(path=st.sampled_from(PATHS), content=contents, batch=st.booleans())
    def begin(self, path: bytes, content: dict[bytes, tuple[int, int]], *, batch: bool) -> None:
        """Intake finds the first settled files of an entry that still arrives."""
        drop = self.store.see_drop(FOLDER, path)
        whole = making.drop_draft(drop, drafts(path, content))
        draft = replace(whole, signature="", is_whole=False)
        joins = self.store.open_batch(FOLDER) if batch else None
        try:
            if joins is None:
                self.store.create_upload(making.upload_draft(draft, batch=batch))
            else:
                self.store.join_upload(joins, draft)
        except IllegalTransition:
            assert drop.state in ("taken", "held")

    @rule(
        pick=picks,
        content=contents,
        changed=st.sets(st.sampled_from(NAMES)),
        gone=st.sets(st.sampled_from(NAMES)),
    )
    def note_arrived(
        self,
        pick: int,
        content: dict[bytes, tuple[int, int]],
        changed: set[bytes],
        gone: set[bytes],
    ) -> None:
        """More of it settles, changes and goes while it arrives."""
        drop = self.drop(pick, "taken")
        if drop is None:
            return
        arrived = Arrived(
            drop_id=drop.id,
            settled=tuple(drafts(drop.path, content)),
            changed=tuple(drop.path + b"/" + name for name in sorted(changed)),
            gone=tuple(drop.path + b"/" + name for name in sorted(gone)),
        )
        try:
            self.store.note_arrived(arrived)
        except IllegalTransition:
            assert drop.whole

    @rule(pick=picks, only_unsent=st.booleans())
    def abandon(self, pick: int, *, only_unsent: bool) -> None:
        """What arrives vanishes, or its hot folder does."""
        drop = self.drop(pick, "taken")
        if drop is None or drop.upload_id is None:
            return
        if self.store.abandon(drop.id, "vanished", only_unsent=only_unsent):
            assert lifecycle.is_arriving(drop)
            self.note_settled(drop.upload_id, drop, [])

    @rule(pick=picks)
    def change(self, pick: int) -> None:
        """Intake sees that a taken drop changed."""
        drop = self.drop(pick, "taken")
        if drop is not None:
            self.store.note_change(drop.id, "changed")

    @rule(pick=picks, content=contents)
    def settle(self, pick: int, content: dict[bytes, tuple[int, int]]) -> None:
        """A changed drop is quiet again, with other content."""
        drop = self.drop(pick, "taken")
        if drop is None:
            return
        files = drafts(drop.path, content)
        draft = making.drop_draft(drop, files)
        try:
            self.store.settle_again(draft)
        except IllegalTransition:
            assert drop.whole
        except SourceVanished:
            assert not drop.whole
        else:
            assert drop.upload_id is not None
            if not drop.whole:
                self.note_settled(drop.upload_id, drop, files)

    @rule(pick=picks, event=st.sampled_from(list(DropEvent)))
    def steer_drop(self, pick: int, event: DropEvent) -> None:
        """Intake or a person moves a drop in any way."""
        drop = self.drop(pick, *DropState)
        if drop is None or event is DropEvent.FINISH:
            return
        hold = HoldReason.OPERATOR if event is DropEvent.BLOCK else None
        upload = self.store.upload(drop.upload_id) if drop.upload_id else None
        try:
            self.store.advance_drop(drop.id, event, hold=hold)
        except IllegalTransition:
            return
        is_sent = upload is not None and upload.state is UploadState.TRANSFERRING
        if hold is not None and drop.state is DropState.TAKEN and is_sent:
            self.lose_claim(drop.upload_id or "")
        leaves = drop.state is DropState.TAKEN and event in (
            DropEvent.CANCEL, DropEvent.SUPERSEDE, DropEvent.SAME_CONTENT
        )  # fmt: skip
        now = next(one for one in self.store.drops() if one.id == drop.id)
        if leaves and now.upload_id is None:
            assert drop.upload_id is not None
            self.note_settled(drop.upload_id, drop, [])

    @rule()
    def claim(self) -> None:
        """The sender claims what is due."""
        for upload in self.store.claim_uploads(9, LEASE_S):
            if upload.id in self.fences:
                self.zombies.append((upload.id, self.fences[upload.id]))
            self.fences[upload.id] = upload.fence
            if upload.package_id is None:
                self.store.note_package_asked(upload.id, upload.fence)
                self.store.note_package(upload.id, upload.fence, f"p{upload.id}", Secret("t"))

    @rule(seconds=st.sampled_from([1.0, LEASE_S]))
    def wait(self, seconds: float) -> None:
        """Time passes; leases end."""
        self.clock.advance(seconds)

    @rule(pick=picks)
    def send_chunk(self, pick: int) -> None:
        """A worker opens a file, or sends its next chunk, or closes it."""
        found = self.open_file(pick)
        if found is None:
            return
        upload, file = found
        if file.cloud_id is None:
            self.store.note_files_asked(upload.id, upload.fence, [file.id])
            self.store.note_file_opened(
                file,
                upload.fence,
                cloud_id=f"{file.id}-{file.identity}-{pick}",
                multipart_id="m",
                chunk_size=CHUNK,
            )
            return
        left = file.identity.size - file.sent
        number = file.sent // CHUNK + 1
        if left > 0:
            chunk = Chunk(number=number, size=min(left, CHUNK), etag=str(number), hash="")
            self.store.note_etag(file, upload.fence, chunk, last=left <= CHUNK)
        else:
            self.store.note_file_closed(file, upload.fence)

    @rule(pick=picks)
    def send_all(self, pick: int) -> None:
        """The sender finishes every file that it may send."""
        upload = self.claimed(pick)
        for _ in range(60):
            before = None if upload is None else self.store.next_files(upload.id, 99)
            if upload is None or not before:
                return
            self.send_chunk(pick)

    @rule(pick=picks)
    def lose_file(self, pick: int) -> None:
        """The cloud lost a file before the package was finalized."""
        upload = self.claimed(pick)
        if upload is None or upload.finalize_asked or upload.state is UploadState.COMPLETE:
            return
        files = self.store.files(upload.id)
        if files:
            self.store.note_file_lost(files[pick % len(files)], upload.fence)

    @rule(pick=picks)
    def find_changed(self, pick: int) -> None:
        """The sender finds that a file is not the one that settled."""
        upload = self.claimed(pick)
        files = [] if upload is None else self.store.files(upload.id)
        if upload is not None and files:
            self.store.note_source_changed(files[pick % len(files)], upload.fence, "changed")

    @rule(pick=picks)
    def finish_sending(self, pick: int) -> None:
        """The sender asks whether all is sent, and finalizes what is due."""
        upload = self.claimed(pick)
        if upload is None:
            return
        self.store.advance_all_sent(upload.id, upload.fence)
        self.store.finalize_due()

    @rule(pick=picks, answer=st.sampled_from(["yes", "yes", "yes", "no", "never came", "silence"]))
    def finalize(self, pick: int, answer: str) -> None:
        """The sender finalizes; the cloud does it, refuses, or nobody knows."""
        upload = self.claimed(pick)
        if upload is None or upload.state is not UploadState.FINALIZING:
            return
        if not upload.finalize_asked:
            try:
                self.store.note_finalize_asked(upload.id, upload.fence)
            except SourceChanged:
                self.store.advance_claimed(upload, UploadEvent.SOURCE_CHANGED)
                return
            self.assert_ready(upload)
        if answer == "yes":
            self.finalized[upload.id] = self.finalized.get(upload.id, 0) + 1
            self.store.advance_claimed(upload, UploadEvent.FINALIZED, tasks=[making.LINK])
        elif answer == "no":
            self.store.advance_claimed(upload, UploadEvent.REFUSED)
        elif answer == "never came":
            self.store.note_finalize_unasked(upload.id, upload.fence)

    @rule(pick=picks, event=st.sampled_from(["pause", "resume", "fail", "finalize", "delete"]))
    def steer_upload(self, pick: int, event: str) -> None:
        """A person steers an upload."""
        uploads = self.store.uploads()
        if not uploads:
            return
        upload_id = uploads[pick % len(uploads)].id
        try:
            if event == "delete":
                self.store.delete_upload(upload_id, takes_package=pick % 2 == 0)
            else:
                self.store.advance_upload(upload_id, UploadEvent(event))
        except IllegalTransition:
            return

    @rule()
    def delete(self) -> None:
        """The cloud's packages of deleted uploads are gone."""
        for row in self.bench.rows()["uploads"]:
            upload = self.store.upload(row[0])
            if upload is not None and upload.state is UploadState.DELETING:
                self.store.advance_upload(upload.id, UploadEvent.DELETED)

    @rule()
    def deliver(self) -> None:
        """The outbox ends a task."""
        task = self.store.claim_task(list(TaskKind), LEASE_S)
        if task is not None:
            self.store.advance_task(task, making.TaskEvent.DONE)

    @precondition(lambda self: self.zombies)
    @rule(pick=picks)
    def wake_zombie(self, pick: int) -> None:
        """A claimer of long ago wakes and is refused."""
        upload_id, fence = self.zombies[pick % len(self.zombies)]
        files = self.store.files(upload_id)
        before = self.bench.rows()
        for file in files:
            try:
                self.store.note_file_closed(file, fence)
            except FenceLost:
                continue
            raise AssertionError("a zombie closed a file")
        assert self.bench.rows() == before

    @rule()
    def restart(self) -> None:
        """The daemon stops and starts again."""
        self.store = self.bench.open()
        self.store.start_over()
        # a start leaves alone what is over: nobody works on it
        over = (UploadState.COMPLETE, UploadState.GONE)
        for upload_id, fence in self.fences.items():
            if making.must(self.store.upload(upload_id)).state not in over:
                self.zombies.append((upload_id, fence))
        self.fences = {}

    def assert_ready(self, upload: Upload) -> None:
        """Nothing is finalized but exactly what settled, all of it closed."""
        files = self.store.files(upload.id)
        assert all(file.closed and not file.stale for file in files)
        assert all(file.sent == file.identity.size for file in files)
        drops = self.store.drops_of(upload.id)
        assert all(drop.state == "taken" and drop.whole and not drop.hold for drop in drops)
        must = {key[1]: kept for key, kept in self.settled.items() if key[0] == upload.id}
        assert {file.path: file.identity for file in files} == must

    @invariant()
    def counters_are_those_of_the_rows(self) -> None:
        """Size, sent, files and open files of an upload are the sums over its files and chunks."""
        rows: dict[str, Any] = self.bench.rows()
        for row in rows["uploads"]:
            files = self.store.files(row[0])
            assert row[22:26] == (
                sum(file.identity.size for file in files),
                sum(file.sent for file in files),
                len(files),
                sum(not file.closed for file in files),
            )
            for file in files:
                assert file.sent == sum(chunk.size for chunk in self.store.chunks(file.id))
                assert not file.closed or file.sent == file.identity.size

    @invariant()
    def one_living_drop_for_a_path(self) -> None:
        """A path never has two living drops, and each generation is its own row."""
        drops = self.store.drops()
        living = [drop.path for drop in drops if drop.state in LIVING]
        assert len(living) == len(set(living))
        keys = [(drop.path, drop.generation) for drop in drops]
        assert len(keys) == len(set(keys))

    @invariant()
    def one_open_upload_for_a_generation(self) -> None:
        """A taken drop has its upload, and a path is in one open upload at most."""
        states = {row[0]: row[7] for row in self.bench.rows()["uploads"]}
        inside = []
        for drop in self.store.drops():
            if drop.state is DropState.TAKEN:
                assert drop.upload_id is not None
                assert states[drop.upload_id] != "gone"
        for upload_id, state in states.items():
            if state in OPEN:
                inside += [(file.drop_id, file.path) for file in self.store.files(upload_id)]
        assert len(inside) == len(set(inside))

    @invariant()
    def nothing_is_handed_out_of_what_is_held_or_waits(self) -> None:
        """No file of a held drop is chosen, and none that changed and has not settled anew."""
        held = {drop.id for drop in self.store.drops() if drop.state == "taken" and drop.hold}
        for row in self.bench.rows()["uploads"]:
            for file in self.store.next_files(row[0], 99):
                assert file.drop_id not in held
                assert not file.stale

    @invariant()
    def what_is_idle_or_asked_for_is_whole(self) -> None:
        """Only a package whose every drop is whole comes to rest or to its finalize."""
        for row in self.bench.rows()["uploads"]:
            upload = self.store.upload(row[0])
            if upload is not None and upload.state in ("idle", "finalizing", "complete"):
                drops = self.store.drops_of(upload.id)
                assert all(drop.whole for drop in drops if drop.state == "taken")

    @invariant()
    def finalized_once(self) -> None:
        """An upload is finalized once at most."""
        assert all(times == 1 for times in self.finalized.values())


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=examples(30),
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
